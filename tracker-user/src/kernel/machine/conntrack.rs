//! Whether conntrack is there, and whether anything makes it work.

use std::fmt;

use super::Machine;
use crate::kernel::{Root, sysctl};

const MODULE: &str = "nf_conntrack";

/// Where conntrack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// In the kernel proper.
    BuiltIn,
    /// In a module that is loaded.
    Loaded,
    /// In a module that is not loaded: nothing is tracked, and nothing can be attached.
    NotLoaded,
    /// The kernel has none.
    Absent,
}

impl Presence {
    /// Looks for it.
    #[must_use]
    pub fn read(root: &Root, machine: &Machine) -> Self {
        let modules = format!("lib/modules/{}", machine.release);
        let lists = |file: &str| {
            let text = root.text(format!("{modules}/{file}")).unwrap_or_default();
            text.lines().any(names_module)
        };
        if module(root, MODULE).is_some() {
            Self::Loaded
        } else if sysctl::available(root) || lists("modules.builtin") {
            Self::BuiltIn
        } else if lists("modules.dep") {
            Self::NotLoaded
        } else {
            Self::Absent
        }
    }

    /// Programs can be attached.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::BuiltIn | Self::Loaded)
    }
}

/// `kernel/net/netfilter/nf_conntrack.ko.xz: …`
fn names_module(line: &str) -> bool {
    let path = line.split(':').next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split('.').next() == Some(MODULE)
}

/// Whether anything makes the kernel track. It does so in a namespace only while a rule there asks
/// for it, and does not say which do: this is judged by what can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// The calling thread's namespace has entries.
    Entries(u64),
    /// It has none, but parts of rules that ask for tracking are in use somewhere on the machine.
    Rules {
        /// The modules that they are in.
        modules: Vec<String>,
    },
    /// No entries, and nothing seems to use it.
    Nothing,
    /// No entries; conntrack or its users are built in, where uses are not counted.
    Unknown,
}

/// Modules that are in use while a rule that asks for tracking is.
const USERS: [&str; 11] = [
    "nft_ct",
    "xt_conntrack",
    "xt_state",
    "xt_CT",
    "xt_connmark",
    "nft_chain_nat",
    "iptable_nat",
    "ip6table_nat",
    "act_ct",
    "openvswitch",
    "ip_vs",
];

impl Tracking {
    /// Looks for it, in the calling thread's namespace as far as entries are concerned.
    #[must_use]
    pub fn read(root: &Root) -> Self {
        let count = sysctl::TableFiles::open(root).and_then(|files| files.read());
        if let Ok(table) = count
            && table.count > 0
        {
            return Self::Entries(table.count);
        }
        if module(root, MODULE).is_none() {
            return Self::Unknown;
        }
        let modules: Vec<String> = USERS
            .iter()
            .filter(|it| is_used(root, it))
            .map(|&it| it.into())
            .collect();
        if modules.is_empty() {
            Self::Nothing
        } else {
            Self::Rules { modules }
        }
    }
}

/// Modules that are in use while a rule masquerades.
const MASQUERADING: [&str; 3] = ["nft_masq", "xt_MASQUERADE", "ipt_MASQUERADE"];

/// A rule masquerades somewhere on the machine. Where that is built in, it does not show.
pub(super) fn is_masquerading(root: &Root) -> bool {
    MASQUERADING.iter().any(|it| is_used(root, it))
}

impl fmt::Display for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(count) => write!(f, "{count} connections are tracked"),
            Self::Rules { modules } => write!(
                f,
                "no connection is tracked yet, but rules that track seem to exist ({})",
                modules.join(", ")
            ),
            Self::Nothing => f.write_str(
                "no connection is tracked, and nothing seems to use conntrack: the kernel tracks \
                 only while a rule asks for it (such as `ct state` in nftables)",
            ),
            Self::Unknown => f.write_str(
                "no connection is tracked yet; this kernel does not show whether a rule asks for it",
            ),
        }
    }
}

fn is_used(root: &Root, name: &str) -> bool {
    module(root, name).is_some_and(|uses| uses > 0)
}

/// How often a loaded module is in use; `None` when it is not loaded.
/// `nft_ct 24576 4 - Live 0xffffffffc00fe000`
fn module(root: &Root, name: &str) -> Option<u64> {
    let modules = root.text("proc/modules").ok()?;
    let mut columns = modules
        .lines()
        .map(str::split_ascii_whitespace)
        .find(|columns| columns.clone().next() == Some(name))?;
    // Kernels that cannot unload modules show no number.
    Some(columns.nth(2)?.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(files: &[(&str, &str)]) -> Presence {
        let (_folder, root) = Root::with(files);
        let captured = Machine::read(&Root::of_test("6.12")).unwrap();
        Presence::read(
            &root,
            &Machine {
                release: "6".to_owned(),
                ..captured
            },
        )
    }

    #[test]
    fn conntrack_is_found_wherever_it_is() {
        let root = Root::of_test("6.12");
        assert_eq!(
            Presence::read(&root, &Machine::read(&root).unwrap()),
            Presence::Loaded
        );
        let dep = (
            "lib/modules/6/modules.dep",
            "kernel/net/netfilter/nf_conntrack.ko.xz: a.ko\n",
        );
        assert_eq!(presence(&[dep]), Presence::NotLoaded);
        let builtin = (
            "lib/modules/6/modules.builtin",
            "kernel/net/netfilter/nf_conntrack.ko\n",
        );
        assert_eq!(presence(&[builtin]), Presence::BuiltIn);
        assert_eq!(
            presence(&[("proc/sys/net/netfilter/nf_conntrack_count", "0")]),
            Presence::BuiltIn
        );
        assert!(Presence::BuiltIn.is_usable() && !Presence::NotLoaded.is_usable());
    }

    #[test]
    fn a_module_that_only_needs_conntrack_is_not_conntrack() {
        let dep =
            "kernel/net/netfilter/nf_conntrack_ftp.ko: kernel/net/netfilter/nf_conntrack.ko\n";
        assert_eq!(
            presence(&[("lib/modules/6/modules.dep", dep)]),
            Presence::Absent
        );
        assert_eq!(presence(&[]), Presence::Absent);
    }

    const LOADED: &str = "nf_conntrack 180224 2 nft_ct,nf_conntrack_netlink, Live 0x0\n";

    fn tracking(count: &str, modules: &str) -> Tracking {
        let sysctl = |name: &str| format!("proc/sys/net/netfilter/nf_conntrack_{name}");
        let (count_file, max, buckets) = (sysctl("count"), sysctl("max"), sysctl("buckets"));
        let files = [
            (&*count_file, count),
            (&max, "9"),
            (&buckets, "9"),
            ("proc/modules", modules),
        ];
        Tracking::read(&Root::with(&files).1)
    }

    #[test]
    fn entries_prove_tracking_and_used_modules_suggest_it() {
        let with = |uses: &str| format!("{LOADED}nft_ct 24576 {uses} - Live 0x0\n");
        assert_eq!(tracking("3\n", ""), Tracking::Entries(3));
        assert_eq!(
            tracking("0\n", &with("2")),
            Tracking::Rules {
                modules: vec!["nft_ct".into()]
            }
        );
        assert_eq!(tracking("0\n", &with("0")), Tracking::Nothing);
        assert_eq!(tracking("0\n", ""), Tracking::Unknown);
    }

    #[test]
    fn what_was_seen_is_said_without_claiming_more() {
        assert_eq!(
            Tracking::Entries(3).to_string(),
            "3 connections are tracked"
        );
        assert!(
            Tracking::Nothing
                .to_string()
                .contains("nothing seems to use conntrack")
        );
        let rules = Tracking::Rules {
            modules: vec!["nft_ct".into(), "xt_CT".into()],
        };
        assert!(rules.to_string().ends_with("seem to exist (nft_ct, xt_CT)"));
    }
}
