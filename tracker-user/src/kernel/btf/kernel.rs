use std::{ops::Deref, sync::Arc};

use super::{Btf, BtfError};
use crate::kernel::Root;

const FOLDER: &str = "sys/kernel/btf";
const MODULE: &str = "nf_conntrack";

/// Type information of the running kernel, with conntrack's where that is a module.
#[derive(Debug)]
pub struct KernelBtf(Arc<Btf>);

impl KernelBtf {
    /// Reads that of the machine. A kernel before 5.11, one with conntrack built in, and one
    /// whose module is not loaded have no file for the module: then only the kernel's own is read.
    ///
    /// # Errors
    /// [`BtfError::Unreadable`] or [`BtfError::Damaged`].
    pub fn open(root: &Root) -> Result<Self, BtfError> {
        let read = |name: &str| {
            let path = format!("{FOLDER}/{name}");
            root.bytes(&path).map_err(|source| BtfError::Unreadable {
                path: root.path(path).display().to_string(),
                source,
            })
        };
        let kernel = Arc::new(Btf::parse(None, read("vmlinux")?)?);
        if !root.has(format!("{FOLDER}/{MODULE}")) {
            return Ok(Self(kernel));
        }
        Ok(Self(Arc::new(Btf::parse(Some(kernel), read(MODULE)?)?)))
    }

    /// The module has type information of its own.
    #[must_use]
    pub fn has_module(&self) -> bool {
        self.0.base.is_some()
    }
}

impl Deref for KernelBtf {
    type Target = Btf;

    fn deref(&self) -> &Btf {
        &self.0
    }
}
