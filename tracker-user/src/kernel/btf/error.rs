use std::io;

/// Something is not in the kernel's type information, or cannot be read from it.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error(
        "cannot read the kernel's type information {path}: {source}. \
         Use a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys"
    )]
    Unreadable {
        /// Its path.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Not as the format demands.
    #[error(
        "the kernel's type information is damaged: {what}, at byte {at}. \
         Check that the file is the kernel's own, complete, and from this machine"
    )]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the start.
        at: usize,
    },
    /// The kernel has no such type.
    #[error(
        "this kernel's type information has no {name}. \
         Load the nf_conntrack module first, or use a kernel that has CONFIG_NF_CONNTRACK"
    )]
    NoType {
        /// As in C: `struct nf_conn`.
        name: String,
    },
    /// The type has no such member.
    #[error(
        "this kernel's {name} has no member {path}. \
         Report it with the output of uname -r: tracker does not know this kernel's layout yet"
    )]
    NoMember {
        /// The type, as in C.
        name: String,
        /// Path that was looked for.
        path: String,
    },
    /// The member does not begin and end at a byte.
    #[error(
        "member {path} of this kernel's {name} is a bit field. \
         Report it with the output of uname -r: tracker does not know this kernel's layout yet"
    )]
    BitField {
        /// The type, as in C.
        name: String,
        /// Path of the member.
        path: String,
    },
    /// The enum has no such value.
    #[error(
        "this kernel's enum {name} has no {value}. \
         Use a kernel that is built with the feature it stands for"
    )]
    NoValue {
        /// The enum.
        name: String,
        /// The value that was looked for.
        value: String,
    },
}
