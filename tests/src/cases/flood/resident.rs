//! A process that lives in a namespace.

use std::process::{Child, Command, Stdio};

use anyhow::Result;
use tracker_user::lab::net::Namespace;

/// By it the namespace is found among all; a file that is open somewhere does not show.
pub struct Resident(Child);

impl Resident {
    /// Settles it.
    pub fn of(namespace: &Namespace) -> Result<Self> {
        let spawn = || {
            Command::new("cat")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
        };
        Ok(Self(namespace.run(spawn)??))
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // Its input ends, and so does it; if it has ended already, so much the better.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
