//! Network namespaces, and the client – router – server topology between them.

mod hush;
mod netns;
mod tools;
mod topology;

pub use hush::Hush;
pub use netns::Netns;
pub use tools::{Tool, tool};
pub use topology::{
    CLIENT4, CLIENT6, DEAD4, DEAD6, ROUTER4, Role, SERVER4, SERVER6, Topology, sweep,
};

/// What can go wrong while namespaces are made and used.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A program that the topology is made with is missing.
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
    #[error("{what} failed: {said}. Run it by hand as root to see more")]
    Failed {
        /// The command line.
        what: String,
        /// What it printed on stderr.
        said: String,
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
}
