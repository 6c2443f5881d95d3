//! The part of the initramfs that holds modules, kept from one run to the next.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Kernel, Modules, unpack};
use crate::boot::Initramfs;
use crate::cache::{Cache, PARTS};

/// Shipped, so that the guest can load them when it wants them.
const FOLDERS: [&str; 3] = ["net/netfilter", "net/ipv4/netfilter", "net/ipv6/netfilter"];
const MODULES: [&str; 17] = [
    "veth",
    "dummy",
    "bridge",
    "br_netfilter",
    "tun",
    "sctp",
    "sch_netem",
    "sch_ingress",
    "cls_bpf",
    "act_ct",
    "gre",
    "ip_gre",
    "vrf",
    "inet_diag",
    "tcp_diag",
    "crc32c_generic",
    "crc32c_intel",
];

/// A cpio archive with the modules to ship and those to `load`; empty for a kernel that has none.
pub fn modules_archive(
    kernel: &Kernel,
    modules: Option<&Modules>,
    load: &[String],
    cache: &Cache,
) -> Result<Vec<u8>> {
    let Some(modules) = modules else {
        return Ok(Vec::new());
    };
    let names = MODULES
        .into_iter()
        .chain(FOLDERS.into_iter().flat_map(|folder| modules.below(folder)));
    let paths = modules.closure(names.chain(load.iter().map(String::as_str)));

    let mut hash = DefaultHasher::new();
    (
        modules.dir(),
        &paths,
        fs::metadata(modules.dir().join("modules.dep"))?.modified()?,
    )
        .hash(&mut hash);
    let name = format!("{}-{:016x}.cpio", kernel.release, hash.finish());
    let kept = cache.root().join(PARTS).join(name);
    if let Ok(bytes) = fs::read(&kept) {
        return Ok(bytes);
    }

    let (home, _lock) = cache.enter(PARTS)?;
    // Whoever held the lock may have made it.
    if let Ok(bytes) = fs::read(&kept) {
        return Ok(bytes);
    }
    let work = tempfile::tempdir_in(&home)?;
    let tree = work.path().join("lib/modules").join(&kernel.release);
    fs::create_dir_all(&tree)?;
    fs::create_dir(work.path().join("usr"))?;
    symlink("../lib", work.path().join("usr/lib"))?;
    for path in paths {
        let plain = tree.join(format!("{}.ko", path.split(".ko").next().unwrap_or(path)));
        fs::create_dir_all(plain.parent().unwrap_or(&tree))?;
        fs::write(&plain, decompressed(&modules.dir().join(path))?)?;
    }
    for name in [
        "modules.builtin",
        "modules.builtin.modinfo",
        "modules.order",
    ] {
        let path = modules.dir().join(name);
        if path.exists() {
            fs::copy(path, tree.join(name))?;
        }
    }
    unpack::depmod(work.path(), &kernel.release)?;
    let mut archive = Initramfs::default();
    archive.tree(&tree, format!("lib/modules/{}", kernel.release))?;
    let bytes = archive.finish()?;
    let fresh = work.path().join("archive");
    fs::write(&fresh, &bytes)?;
    fs::rename(fresh, kept)?;
    Ok(bytes)
}

/// A module's bytes as the guest's modprobe wants them.
fn decompressed(path: &Path) -> Result<Vec<u8>> {
    let bytes =
        fs::read(path).with_context(|| format!("cannot read the module {}", path.display()))?;
    let mut plain = Vec::new();
    match path.extension().and_then(|end| end.to_str()) {
        Some("xz") => lzma_rust2::XzReader::new(bytes.as_slice(), true).read_to_end(&mut plain),
        Some("zst") => ruzstd::decoding::StreamingDecoder::new(bytes.as_slice())
            .map_err(std::io::Error::other)
            .and_then(|mut reader| reader.read_to_end(&mut plain)),
        Some("gz") => flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain),
        _ => return Ok(bytes),
    }
    .with_context(|| format!("cannot decompress the module {}", path.display()))?;
    Ok(plain)
}
