//! What may not be left of a flood and a watch.

use anyhow::Result;

use super::books::no_complaint;
use crate::cases::bpf::Objects;
use crate::cases::leftovers::without_conntrack;
use crate::lab;

/// What there was before.
pub struct Before {
    lab: lab::Before,
}

impl Before {
    /// Looks, when nothing of an earlier case is left any more.
    pub fn look() -> Result<Self> {
        Objects::are_gone()?;
        Ok(Self {
            lab: lab::Before::look()?,
        })
    }

    /// All is as before: no program, nothing of a lab, and no entry, without which conntrack cannot be unloaded.
    pub fn is_back(&self) -> Result<()> {
        Objects::are_gone()?;
        self.lab.is_back()?;
        without_conntrack(|| Ok(()))?;
        no_complaint()
    }
}
