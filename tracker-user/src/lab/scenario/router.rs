//! What a scenario asks of the router.

use super::{Overrides, Scenario, ScenarioError, room};
use tracker_common::Timer;

use crate::lab::net::{Namespace, Settings, Size};

impl Scenario {
    /// The router as the scenario wants it.
    ///
    /// # Errors
    /// As [`Self::connections`].
    pub fn settings(&self, overrides: &Overrides) -> Result<Settings, ScenarioError> {
        Ok(Settings {
            masquerade: self.masquerade,
            sysctls: self.sysctls.clone(),
            max: self.table_max(overrides)?,
            buckets: self.buckets.map(Size::Exactly),
            ipv6: self.populations.iter().any(|it| it.tuples.is_ipv6()),
        })
    }

    /// Entries that the table is to take. Where the file's number has room for all of its connections,
    /// there may be more, and have to be if more connections are asked for; else the table is meant to
    /// get full, and takes so many and no more.
    ///
    /// # Errors
    /// As [`Self::connections`].
    pub fn table_max(&self, overrides: &Overrides) -> Result<Option<Size>, ScenarioError> {
        let own = self.connections(&Overrides::default())?;
        let asked = self.connections(overrides)?;
        Ok(self.max.map(|max| match own <= max as f64 {
            true if own < asked => Size::AtLeast(max.max(room(asked))),
            true => Size::AtLeast(max),
            false => Size::Exactly(max),
        }))
    }

    /// A timer's length in seconds: as the router has it, or as it was to be where that cannot be read.
    #[must_use]
    pub fn seconds(&self, timer: Timer, router: &Namespace) -> u64 {
        let name = format!("net.netfilter.nf_conntrack_{}", timer.name());
        let set = router.sysctl(&name);
        set.unwrap_or_else(|_| self.timeouts.seconds(timer))
    }
}
