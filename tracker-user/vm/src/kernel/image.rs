//! Kernels of the user's own: an image file, and the modules that go with it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Kernel;

/// The kernel in an image, with the modules in a folder, or in the usual places if none is named.
pub fn of_files(image: &Path, modules: Option<&Path>) -> Result<Kernel> {
    let bytes = fs::read(image)
        .with_context(|| format!("cannot read the kernel image {}", image.display()))?;
    let release = release_of(&bytes).with_context(|| {
        format!(
            "{} is no x86 Linux image. Give a vmlinuz or bzImage file, not a vmlinux",
            image.display()
        )
    })?;
    let image = fs::canonicalize(image)?;
    let beside = image.parent().unwrap_or(Path::new("/"));
    let found = match modules {
        Some(named) => {
            let candidates = [
                named.to_owned(),
                named.join("lib/modules").join(&release),
                named.join(&release),
            ];
            let Some(found) = first_tree(&candidates) else {
                bail!(
                    "{} holds no modules.dep for {release}. Run `depmod -b ROOT {release}` on it",
                    named.display()
                );
            };
            Some(found)
        }
        None => first_tree(&[
            beside.to_owned(),
            beside.join("lib/modules").join(&release),
            beside.join("../lib/modules").join(&release),
            Path::new("/lib/modules").join(&release),
        ]),
    };
    Ok(Kernel {
        release,
        image,
        modules: found,
    })
}

/// The kernel that runs here, if its image may be read and its modules are here.
#[must_use]
pub fn own() -> Option<Kernel> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let release = release.trim();
    // Where distributions put it.
    let places = [
        PathBuf::from(format!("/boot/vmlinuz-{release}")),
        Path::new("/lib/modules").join(release).join("vmlinuz"),
    ];
    let kernels = places.iter().filter_map(|it| of_files(it, None).ok());
    kernels
        .into_iter()
        .find(|it| it.release == release && it.modules.is_some())
}

fn first_tree(candidates: &[PathBuf]) -> Option<PathBuf> {
    candidates
        .iter()
        .find(|dir| dir.join("modules.dep").is_file())
        .cloned()
}

/// The release that a bzImage names in its header (the kernel's Documentation/arch/x86/boot.rst).
fn release_of(image: &[u8]) -> Option<String> {
    const MAGIC_AT: usize = 0x202;
    const POINTER_AT: usize = 0x20e;
    const POINTER_BASE: usize = 0x200;
    if image.get(MAGIC_AT..MAGIC_AT + 4)? != b"HdrS" {
        return None;
    }
    let pointer: [u8; 2] = image.get(POINTER_AT..POINTER_AT + 2)?.try_into().ok()?;
    let text = image.get(POINTER_BASE + usize::from(u16::from_le_bytes(pointer))..)?;
    let word = text.split(|byte| matches!(byte, 0 | b' ')).next()?;
    let release = std::str::from_utf8(word).ok()?;
    (!release.is_empty()).then(|| release.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_header() {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x310].copy_from_slice(b"6.1.0-9-own (me)");
        assert_eq!(release_of(&image).as_deref(), Some("6.1.0-9-own"));
        assert_eq!(release_of(b"\x7fELF"), None);
    }
}
