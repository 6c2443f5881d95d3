//! What the caller may do.

use std::io;

use crate::kernel::Root;

/// A right that tracker needs, by its number in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Settings of the network.
    NetAdmin = 12,
    /// Entering namespaces; contains `Bpf` and `Perfmon`.
    SysAdmin = 21,
    /// Addresses of the kernel's symbols.
    Syslog = 34,
    /// Attaching to the kernel, and reading its memory.
    Perfmon = 38,
    /// Loading programs and maps.
    Bpf = 39,
}

impl Capability {
    /// What a watch cannot do without.
    pub const WATCH: [Self; 3] = [Self::Bpf, Self::Perfmon, Self::Syslog];

    /// As in capabilities(7).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Syslog => "CAP_SYSLOG",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// The calling process's effective capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Reads them.
    ///
    /// # Errors
    /// When /proc does not show them.
    pub fn read(root: &Root) -> io::Result<Self> {
        let strange =
            || io::Error::new(io::ErrorKind::InvalidData, "no CapEff in /proc/self/status");
        Self::parse(&root.text("proc/self/status")?).ok_or_else(strange)
    }

    fn parse(status: &str) -> Option<Self> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok().map(Self)
    }

    /// The process has this one, or another that contains it.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        let has = |it: Capability| self.0 >> (it as u8) & 1 == 1;
        let contained = matches!(
            capability,
            Capability::Bpf | Capability::Perfmon | Capability::Syslog
        );
        has(capability) || contained && has(Capability::SysAdmin)
    }

    /// Those that a watch lacks.
    #[must_use]
    pub fn missing(self) -> Vec<Capability> {
        Capability::WATCH
            .into_iter()
            .filter(|&it| !self.has(it))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mask: &str) -> Capabilities {
        Capabilities::parse(&format!("Name:\tcat\nCapPrm:\t0\nCapEff:\t{mask}\n")).unwrap()
    }

    #[test]
    fn root_lacks_nothing() {
        let root = Capabilities::read(&Root::of_test("6.12")).unwrap();
        assert_eq!(root.missing(), []);
        assert!(root.has(Capability::NetAdmin));
    }

    #[test]
    fn users_lack_everything() {
        let user = of("0000000000000000");
        assert_eq!(user.missing(), Capability::WATCH);
        assert!(!user.has(Capability::SysAdmin));
    }

    #[test]
    fn a_capability_comes_alone_or_in_a_larger_one() {
        assert_eq!(of("0000000000200000").missing(), []);
        assert_eq!(of("000000c000000000").missing(), [Capability::Syslog]);
        assert!(!of("000000c000000000").has(Capability::SysAdmin));
    }

    #[test]
    fn a_status_without_capabilities_is_an_error() {
        assert_eq!(Capabilities::parse("Name:\tcat\nCapEff:\tx\n"), None);
        assert!(Capabilities::read(&Root::at("/nonexistent")).is_err());
    }
}
