//! One boot in which `vm-bench` measures.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::report::Report;
use crate::cache::Cache;
use crate::kernel::Spec;
use crate::vm;

/// The program that measures and prints the report.
const BENCH: &str = "vm-bench";
/// Several times what a slow machine takes.
const TIMEOUT: Duration = Duration::from_secs(1200);

/// Boots the kernel and measures there, as the options say.
pub fn measure(spec: &Spec, cache: &Cache, options: &[&str]) -> Result<Report> {
    let command = std::iter::once(&BENCH).chain(options).copied();
    let request = vm::warp(command, &["tracker", BENCH], TIMEOUT)?;
    let (sender, receiver) = mpsc::channel();
    let outcome = vm::run(spec, &request, cache, Box::new(Keep(sender)))?;
    if outcome.code() != 0 {
        bail!("nothing was measured on {spec}: {outcome}");
    }
    let output: Vec<u8> = receiver.try_iter().flatten().collect();
    serde_json::from_slice(&output).context("cannot read what vm-bench measured")
}

/// Keeps what comes.
struct Keep(mpsc::Sender<Vec<u8>>);

impl io::Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_owned()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
