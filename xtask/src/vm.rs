//! The command line of `cargo xtask vm`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

pub use tracker_vm::{Added, Kept, Request, run};
use tracker_vm::{DEFAULT_LOAD, DEFAULT_MEM, Machine};

use crate::cache::Cache;
use crate::dist;
use crate::kernel::Spec;

/// Exit status when xtask itself could not do it, as `env` has it.
const NOT_DONE: u8 = 125;

/// Run a command on a real kernel, in a throw-away virtual machine.
///
/// The guest has `tracker`, `nft`, `ip`, `conntrack`, `tc`, `ss`, a shell and busybox, but no network beyond its own. The
/// exit status is the command's; 124 if its time was over, 125 if xtask failed, 126 if the guest died or its kernel
/// complained.
#[derive(Debug, Args)]
pub struct VmArgs {
    /// The kernel to boot, or several, one after the other.
    ///
    /// A series such as 6.12 (the newest of Debian's packages), an exact release of Debian's, or the path of an image,
    /// `IMAGE[:MODULES_DIR]`.
    #[arg(long, value_name = "KERNEL", default_value = "6.12")]
    pub kernel: Vec<Spec>,
    /// One vCPU whose clock counts instructions and jumps when idle: costs are exact, and time is free.
    #[arg(long)]
    warp: bool,
    /// Virtual CPUs.
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "warp")]
    smp: u32,
    /// Emulate them one at a time, which is slower, and safe for code that is patched as it runs
    #[arg(long, conflicts_with = "warp")]
    in_turn: bool,
    /// Memory.
    #[arg(long, default_value_t = DEFAULT_MEM, value_name = "MIB")]
    mem: u32,
    /// A file, with its libraries, or a folder to put in the guest.
    #[arg(long, value_name = "HOST[:GUEST]", value_parser = parse_added)]
    add: Vec<Added>,
    /// A variable for the command's environment.
    #[arg(long, value_name = "K=V", value_parser = parse_env)]
    env: Vec<(String, String)>,
    /// Bring the guest's /out back into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seconds of this machine's time until a guest is stopped.
    #[arg(long, default_value_t = 300, value_name = "S")]
    timeout: u64,
    /// Modules to load first, or `none`.
    #[arg(long, value_name = "M,…", value_delimiter = ',', default_values = DEFAULT_LOAD)]
    module: Vec<String>,
    /// Do not build `tracker` and put it in the guest.
    #[arg(long)]
    no_tracker: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

impl VmArgs {
    /// Boots each kernel in turn; gives the first exit status that is not 0.
    pub fn run(&self) -> u8 {
        self.boot_all().unwrap_or_else(|err| {
            crate::note!("{err:#}");
            NOT_DONE
        })
    }

    fn boot_all(&self) -> Result<u8> {
        let cache = Cache::of_this_user()?;
        let mut request = self.request();
        if !self.no_tracker {
            request.add.push(dist::tracker()?);
        }
        let mut first = 0;
        for spec in &self.kernel {
            let outcome = run(spec, &request, &cache, Box::new(std::io::stdout()));
            let code = outcome.map_or_else(
                |err| {
                    crate::note!("kernel {spec}: {err:#}");
                    NOT_DONE
                },
                |outcome| outcome.code(),
            );
            first = if first == 0 { code } else { first };
        }
        Ok(first)
    }

    fn request(&self) -> Request {
        Request {
            command: self.command.clone(),
            add: self.add.clone(),
            env: self.env.clone(),
            out: self.out.clone(),
            load: self
                .module
                .iter()
                .filter(|name| *name != "none" && !name.is_empty())
                .cloned()
                .collect(),
            machine: Machine {
                warp: self.warp,
                smp: self.smp,
                in_turn: self.in_turn,
                mem: self.mem,
                timeout: Duration::from_secs(self.timeout),
            },
        }
    }
}

/// A command in a guest whose clock counts instructions, with programs that `dist` built.
pub fn warp(
    command: impl IntoIterator<Item = impl Into<String>>,
    programs: &[&str],
    timeout: Duration,
) -> Result<Request> {
    let add = programs.iter().map(|name| dist::in_guest(name));
    Ok(Request::warp(command, add.collect::<Result<_>>()?, timeout))
}

fn parse_added(text: &str) -> Result<Added> {
    let (host, guest) = text
        .split_once(':')
        .map_or((text, None), |(host, guest)| (host, Some(guest)));
    let host = std::fs::canonicalize(host).with_context(|| format!("cannot add {host}"))?;
    let guest = guest.map_or_else(|| host.clone(), PathBuf::from);
    Ok(Added { host, guest })
}

fn parse_env(text: &str) -> Result<(String, String)> {
    let Some((name, value)) = text.split_once('=') else {
        bail!("{text} sets no variable. Give K=V")
    };
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        bail!("{name} is no name of a variable. Use letters, digits and _");
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_plain_names() {
        assert_eq!(parse_env("A_1=b=c").unwrap(), ("A_1".into(), "b=c".into()));
        assert!(parse_env("novalue").is_err());
        assert!(parse_env("1A=x").is_err());
        assert!(parse_env("a;b=x").is_err());
    }
}
