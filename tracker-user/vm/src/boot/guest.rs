//! What a guest is made of: a busybox, the tools, the user's files, and an init that runs one command.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{Initramfs, Request, initramfs};
use crate::cache::Cache;
use crate::kernel::{Kernel, Modules, modules_archive};
use crate::process::{need, which};

const INIT: &str = include_str!("init.sh");
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const FOLDERS: [&str; 14] = [
    "bin", "dev", "etc", "guest", "out", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin",
    "usr/sbin", "var",
];
/// Tools that a guest always has, and those that it has if they are on this machine.
const TOOLS: [&str; 3] = ["nft", "ip", "conntrack"];
const MORE_TOOLS: [&str; 2] = ["tc", "ss"];

/// The initramfs for one boot.
pub fn initramfs(kernel: &Kernel, request: &Request, cache: &Cache) -> Result<Vec<u8>> {
    let modules = kernel.modules.as_deref().map(Modules::read).transpose()?;
    let load = to_load(kernel, modules.as_ref(), &request.load)?;
    let mut bytes = modules_archive(kernel, modules.as_ref(), &load, cache)?;

    let mut made = Initramfs::default();
    FOLDERS.iter().try_for_each(|folder| made.folder(folder))?;
    made.link("var/run", "../run")?;
    made.device("dev/console", 5, 1)?;
    made.device("dev/null", 1, 3)?;
    busybox(&mut made)?;
    for added in &request.add {
        if !added.host.exists() {
            bail!(
                "{} is gone and cannot be added to the guest. Make it again",
                added.host.display()
            );
        }
        made.tree(&added.host, &added.guest)?;
    }
    for tool in TOOLS {
        made.program(&need(tool)?, format!("usr/sbin/{tool}"))?;
    }
    for (tool, path) in MORE_TOOLS
        .iter()
        .filter_map(|tool| Some((tool, which(tool)?)))
    {
        made.program(&path, format!("usr/sbin/{tool}"))?;
    }
    let command = command(&mut made, &request.command)?;
    made.file(
        "guest/command",
        script(&request.env, &command)?.as_bytes(),
        0o755,
    )?;
    made.file(
        "guest/load",
        load.iter()
            .map(|name| format!("{name}\n"))
            .collect::<String>()
            .as_bytes(),
        0o644,
    )?;
    if request.out.is_some() {
        made.file("guest/out", &[], 0o644)?;
    }
    bytes.extend(made.finish()?);
    Ok(bytes)
}

/// Unpacks what the guest left in /out, which it sends as a compressed tar stream.
pub fn bring_back(parcel: &[u8], into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(parcel));
    archive.set_preserve_permissions(false);
    archive
        .unpack(into)
        .with_context(|| format!("cannot bring the guest's /out back to {}", into.display()))
}

/// A program needs no libraries.
pub fn is_static(program: &Path) -> bool {
    initramfs::libraries(program).is_ok_and(|libraries| libraries.is_empty())
}

fn busybox(made: &mut Initramfs) -> Result<()> {
    let path = need("busybox")?;
    if !is_static(&path) {
        bail!(
            "{} is not static. Run `apt-get install busybox-static`",
            path.display()
        );
    }
    made.program(&path, "bin/busybox")?;
    // busybox's own shell would take its applets before the programs of the same name in PATH, such as ip.
    made.program(&need("sh")?, "bin/sh")?;
    // The kernel loads modules by itself through this path.
    made.link("sbin/modprobe", "../bin/busybox")?;
    made.file("init", INIT.replace("@PATH@", PATH).as_bytes(), 0o755)?;
    made.file(
        "etc/passwd",
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
        0o644,
    )?;
    made.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644)?;
    made.file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n", 0o644)
}

/// The modules to load that are not part of the kernel anyway.
fn to_load(kernel: &Kernel, modules: Option<&Modules>, wanted: &[String]) -> Result<Vec<String>> {
    let mut load = Vec::new();
    for name in wanted {
        match modules {
            Some(modules) if modules.has(name) => load.push(name.clone()),
            Some(modules) if modules.is_builtin(name) => {}
            Some(_) => bail!(
                "{} has no module {name}. Name others with --module, or none",
                kernel.release
            ),
            None => {}
        }
    }
    Ok(load)
}

/// The command with its program's path in the guest. A program of this machine is brought along.
fn command(made: &mut Initramfs, command: &[String]) -> Result<Vec<String>> {
    let mut command = command.to_vec();
    let Some(program) = command.first_mut() else {
        bail!("there is no command for the guest. Give one after --")
    };
    if !program.contains('/') {
        // What is not in the guest's folders yet is one of busybox's applets.
        let found = PATH
            .split(':')
            .map(|dir| format!("{dir}/{program}"))
            .find(|path| made.has(path));
        *program = found.unwrap_or_else(|| program.clone());
    } else if !made.has(&*program) && Path::new(&*program).exists() {
        let host = fs::canonicalize(&*program)?;
        if host.is_dir() {
            bail!("{program} is a folder. Give a program");
        }
        made.program(&host, &host)?;
        *program = host.to_string_lossy().into_owned();
    }
    Ok(command)
}

/// What the guest's init runs.
fn script(env: &[(String, String)], command: &[String]) -> Result<String> {
    let mut text = String::new();
    for (name, value) in env {
        text += &format!("export {name}={}\n", shlex::try_quote(value)?);
    }
    let words = shlex::try_join(command.iter().map(String::as_str))?;
    Ok(text + "exec " + &words + "\n")
}
