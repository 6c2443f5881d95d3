//! A machine that lacks something for a while.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::net::tool;

/// A program that is not found until this is dropped.
pub struct Hidden {
    path: PathBuf,
}

impl Hidden {
    /// Hides it.
    pub fn program(name: &'static str) -> Result<Self> {
        let path = tool(name)?.path().canonicalize()?;
        fs::rename(&path, path.with_extension("hidden"))?;
        let hidden = Self { path };
        ensure!(tool(name).is_err(), "there is another {name}");
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // The cases that need it fail without it.
        let _ = fs::rename(self.path.with_extension("hidden"), &self.path);
    }
}

/// No module can be loaded until this is dropped.
pub struct NoModules {
    loader: String,
}

/// The program by which the kernel loads modules.
const LOADER: &str = "/proc/sys/kernel/modprobe";

impl NoModules {
    /// Takes away the loader.
    pub fn begin() -> Result<Self> {
        let loader = fs::read_to_string(LOADER)?;
        fs::write(LOADER, "/nonexistent")?;
        Ok(Self { loader })
    }
}

impl Drop for NoModules {
    fn drop(&mut self) {
        // The cases that need it fail without it.
        let _ = fs::write(LOADER, self.loader.trim());
    }
}
