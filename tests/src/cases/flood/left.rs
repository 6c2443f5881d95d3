//! What may not be left of a flood and a watch.

use anyhow::{Context, Result};

use super::books::no_complaint;
use crate::cases::bpf::Objects;
use crate::cases::faces::poll;
use crate::cases::leftovers::without_conntrack;
use crate::lab;

/// What there was before.
pub struct Before {
    lab: lab::Before,
    objects: Objects,
}

impl Before {
    /// Looks, when nothing of an earlier case is left any more.
    pub fn look() -> Result<Self> {
        Ok(Self {
            lab: lab::Before::look()?,
            objects: Objects::count(),
        })
    }

    /// Waits until there are only the programs, maps and links of before.
    pub fn programs_are_back(&self) -> Result<()> {
        let mut now = self.objects;
        poll("the end of all programs, maps and links", || {
            now = Objects::count();
            (now == self.objects).then_some(())
        })
        .with_context(|| format!("{:?} before, {now:?} after", self.objects))
    }

    /// All is as before: no program, nothing of a lab, and no entry, without which conntrack cannot be unloaded.
    pub fn is_back(&self) -> Result<()> {
        self.programs_are_back()?;
        self.lab.is_back()?;
        without_conntrack(|| Ok(()))?;
        no_complaint()
    }
}
