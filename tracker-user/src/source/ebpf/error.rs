//! Why a watch cannot begin.

use crate::kernel;

/// The kernel cannot be watched from here. Each says what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Not privileged.
    #[error(
        "watching the kernel needs privileges that this process does not have: {missing}. Run it as root"
    )]
    Privileges {
        /// Capabilities.
        missing: String,
    },
    /// nf_conntrack is a module that is not loaded.
    #[error(
        "nf_conntrack is not loaded, so there is nothing to watch. Load it with modprobe \
         nf_conntrack, or add the firewall rule that needs it"
    )]
    NotLoaded,
    /// The kernel has no conntrack at all.
    #[error(
        "this kernel has no nf_conntrack. Run tracker on the machine whose firewall or NAT tracks connections"
    )]
    Absent,
    /// No rule tracks.
    #[error(
        "no rule tracks connections in {scope}, so its table stays empty. Add one (for example: \
         nft add table inet t; nft 'add chain inet t c {{ type filter hook input priority 0; }}'; nft add rule inet t \
         c ct state established accept), or name another namespace with --netns"
    )]
    Untracked {
        /// What was to be watched.
        scope: String,
    },
    /// Kernel type information is missing or lacks something.
    #[error(transparent)]
    Btf(#[from] kernel::btf::BtfError),
    /// An offset cannot be had.
    #[error(transparent)]
    Offsets(#[from] kernel::offsets::OffsetsError),
    /// No symbols.
    #[error(transparent)]
    Symbols(#[from] kernel::symbols::SymbolsError),
    /// Namespaces.
    #[error(transparent)]
    Netns(#[from] kernel::netns::NetnsError),
    /// No function to hook.
    #[error(
        "this kernel has none of the functions that show the event \"{event}\" ({tried}). Report \
         it with the output of uname -r"
    )]
    NoFunction {
        /// Event.
        event: &'static str,
        /// Functions.
        tried: String,
    },
    /// The kernel refuses a hook.
    #[error("the kernel refuses to watch \"{event}\": {refusals}. {remedy}")]
    Refused {
        /// Event.
        event: &'static str,
        /// Each attempt with the kernel's word.
        refusals: String,
        /// What to do.
        remedy: &'static str,
    },
    /// No program at all is allowed.
    #[error(
        "eBPF programs are refused here: {cause}. It is a policy (a container's seccomp filter, \
         lockdown), so run tracker where they are allowed"
    )]
    Forbidden {
        /// The system's word.
        cause: std::io::Error,
    },
    /// A map cannot be made.
    #[error(
        "the kernel refuses the memory for tracker's maps ({bytes} bytes): {cause}. Raise the limit \
         (ulimit -l unlimited), or watch fewer entries with --max-entries"
    )]
    Memory {
        /// What was asked for.
        bytes: u64,
        /// The kernel's word.
        cause: String,
    },
    /// The object does not fit this binary.
    #[error("the eBPF object inside this binary is not usable: {cause}. Build tracker again")]
    Object {
        /// What is wrong.
        cause: String,
    },
    /// Something of this machine cannot be read.
    #[error("{what} cannot be read: {source}. Mount /proc and /sys, and run as root")]
    Machine {
        /// What.
        what: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
}
