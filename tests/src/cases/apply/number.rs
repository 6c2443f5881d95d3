//! A namespace's number, which the kernel gives again.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::plan::Plan;
use super::{UDP, is, poll};
use crate::cases::errors::{LOSSES, tracking};
use crate::cases::tracker::{end_with, succeed};
use crate::net::Netns;

const NAME: &str = "tracker-again";

/// Another namespace has the number, and the name, of one that is gone, and the values that were written there.
pub fn given_again() -> Result<()> {
    let _tracking = tracking()?;
    let gone = Netns::create(NAME)?;
    let inum = gone.inum()?;
    let plan = Plan::write(&[&gone], &[(UDP, 30, 45)])?;
    succeed(&mut plan.apply())?;
    gone.delete()?;
    // The number is free as soon as the kernel has cleared away what had it.
    let other = poll("the same number", || {
        let made = Netns::create(NAME).ok()?;
        if made.inum().ok()? == inum {
            return Some(made);
        }
        made.delete().ok()?;
        None
    })?;
    other.set_sysctl(&format!("net.netfilter.{UDP}"), "45")?;
    // Before 5.14 nothing tells one from the other.
    let tells = fs::read_to_string(&plan.state)?.contains("cookie");
    if tells {
        let said = end_with(&mut plan.rollback(), LOSSES)?;
        ensure!(said.contains("another namespace of this name"), "{said}");
        is(&other, UDP, 45)?;
    }
    succeed(plan.rollback().arg("--force"))?;
    is(&other, UDP, 30)?;
    other.delete().context("it is gone")?;
    plan.is_forgotten()
}
