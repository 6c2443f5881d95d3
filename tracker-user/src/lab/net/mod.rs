//! Network namespaces: what is done in one, and the lab's own three.

mod held;
mod namespace;
mod size;
mod table;
mod tools;
mod topology;

pub use held::Held;
pub use namespace::Namespace;
pub use size::{Change, Size};
pub use table::Table;
pub use tools::{Tool, tool};
pub use topology::{END, MASQUERADE4, MASQUERADE6, Settings, Topology, mac};

use crate::units;

/// What can go wrong while namespaces are made and used.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A program that the namespaces are furnished with is missing.
    #[error("{0} is not here. Install it (Debian: iproute2, nftables, conntrack)")]
    Missing(&'static str),
    /// A program could not be started or fed.
    #[error("{what} could not be run: {source}. Check that the process may start programs")]
    Spawn {
        /// The command line.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program said no.
    #[error(
        "{what} failed: {said}. Check that the kernel has the modules for it and may load them"
    )]
    Failed {
        /// The command line.
        what: String,
        /// What it printed on stderr.
        said: String,
    },
    /// A namespace cannot be made.
    #[error(
        "no network namespace can be made: {source}. It takes root, a kernel with CONFIG_NET_NS, and \
         room below user.max_net_namespaces"
    )]
    Make {
        /// The system's answer.
        source: std::io::Error,
    },
    /// A namespace cannot be entered.
    #[error(
        "namespace {name} cannot be entered: {source}. It takes root, and the namespace must exist"
    )]
    Enter {
        /// The namespace's name.
        name: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A sysctl or procfs file refuses.
    #[error("{path} in namespace {name}: {source}. Check that the module behind it is loaded")]
    Proc {
        /// The namespace's name.
        name: String,
        /// The file.
        path: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Nothing can be sent over IPv6.
    #[error(
        "this kernel is without IPv6, over which connections of the scenario go. Boot it without \
         ipv6.disable=1, or take a scenario of IPv4 alone, such as web-keepalive"
    )]
    NoIpv6,
    /// Two labs cannot both set the size of the table.
    #[error("another lab has set the size of the machine's table. Wait until it has ended")]
    Busy,
    /// The machine's own entries would have to make way.
    #[error(
        "this machine tracks {} connections of its own, too many for a table of {}. Run the lab on a machine, \
         such as a virtual one, that tracks nothing",
        units::grouped(*tracked),
        units::grouped(*max)
    )]
    InUse {
        /// Entries of the machine's first namespace.
        tracked: u64,
        /// Entries that the table was to take.
        max: u64,
    },
    /// The size of the table cannot be set.
    #[error(
        "the table's size cannot be set: {source}. It takes root in the machine's first network \
         namespace, with nf_conntrack loaded"
    )]
    Table {
        /// The system's answer.
        source: std::io::Error,
    },
}
