//! A newc cpio archive, made in memory.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cpio::newc::{self, Builder, ModeFileType};

/// The files of a guest, in the order in which the kernel unpacks them. A path that is there already is left alone.
#[derive(Default)]
pub struct Initramfs {
    seen: HashSet<PathBuf>,
    bytes: Vec<u8>,
}

impl Initramfs {
    /// Whether there is something at this path.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.seen.contains(&relative(path.as_ref()))
    }

    /// A folder, with those above it.
    pub fn folder(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.entry(path.as_ref(), ModeFileType::Directory, 0o755, &[], (0, 0))
    }

    /// A file.
    pub fn file(&mut self, path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<()> {
        self.entry(path.as_ref(), ModeFileType::Regular, mode, bytes, (0, 0))
    }

    /// A symbolic link.
    pub fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
        let target = target.as_ref().to_string_lossy();
        self.entry(
            path.as_ref(),
            ModeFileType::Symlink,
            0o777,
            target.as_bytes(),
            (0, 0),
        )
    }

    /// A character device.
    pub fn device(&mut self, path: impl AsRef<Path>, major: u32, minor: u32) -> Result<()> {
        self.entry(
            path.as_ref(),
            ModeFileType::Char,
            0o600,
            &[],
            (major, minor),
        )
    }

    /// A file of this machine, with the libraries that it is linked with.
    pub fn program(&mut self, host: &Path, guest: impl AsRef<Path>) -> Result<()> {
        let bytes = read(host)?;
        self.file(
            guest,
            &bytes,
            fs::metadata(host)?.permissions().mode() & 0o7777,
        )?;
        if bytes.starts_with(b"\x7fELF") {
            for library in libraries(host)? {
                self.file(&library, &read(&library)?, 0o755)?;
            }
        }
        Ok(())
    }

    /// A file with its libraries, or a folder with all that is in it.
    pub fn tree(&mut self, host: &Path, guest: impl AsRef<Path>) -> Result<()> {
        let guest = guest.as_ref();
        if !host.is_dir() {
            return self.program(host, guest);
        }
        self.folder(guest)?;
        let listed =
            fs::read_dir(host).with_context(|| format!("cannot list {}", host.display()))?;
        let mut paths = listed
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            let inside = guest.join(path.file_name().unwrap_or_default());
            if path.is_symlink() && !path.is_file() {
                self.link(inside, fs::read_link(&path)?)?;
            } else if path.is_dir() || path.is_file() {
                self.tree(&path, inside)?;
            }
        }
        Ok(())
    }

    /// The archive, closed; another may follow it, since the kernel unpacks any number of them.
    pub fn finish(self) -> Result<Vec<u8>> {
        Ok(newc::trailer(self.bytes)?)
    }

    fn entry(
        &mut self,
        path: &Path,
        kind: ModeFileType,
        mode: u32,
        bytes: &[u8],
        device: (u32, u32),
    ) -> Result<()> {
        let path = relative(path);
        if path.as_os_str().is_empty() || self.seen.contains(&path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        let size = u32::try_from(bytes.len())
            .with_context(|| format!("{} is too large for a guest", path.display()))?;
        let number = u32::try_from(self.seen.len() + 1)?;
        let builder = Builder::new(&path.to_string_lossy())
            .ino(number)
            .nlink(1)
            .mode(mode)
            .set_mode_file_type(kind);
        let mut writer = builder
            .rdev_major(device.0)
            .rdev_minor(device.1)
            .write(std::mem::take(&mut self.bytes), size);
        io::Write::write_all(&mut writer, bytes)?;
        self.bytes = writer.finish()?;
        self.seen.insert(path);
        Ok(())
    }
}

/// What the dynamic loader says a program needs; nothing for a static one.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let done = Command::new("ldd")
        .arg(program)
        .output()
        .context("cannot run ldd")?;
    parse_ldd(&String::from_utf8_lossy(&done.stdout))
        .with_context(|| format!("{} would not run", program.display()))
}

fn parse_ldd(text: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" => not found") {
            bail!("its library {name} is not on this machine. Install it");
        }
        let Some((path, _)) = line.rsplit_once(" (0x") else {
            continue;
        };
        let path = path.rsplit_once("=> ").map_or(path, |(_, path)| path);
        if path.starts_with('/') {
            found.push(path.into());
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {} for the guest", path.display()))
}

fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_reads_back_with_parents_first_and_no_path_twice() {
        let mut made = Initramfs::default();
        made.file("/bin/tool", b"abcde", 0o755).unwrap();
        made.file("bin/tool", b"again", 0o755).unwrap();
        made.link("bin/also", "tool").unwrap();
        made.device("dev/null", 1, 3).unwrap();
        let bytes = made.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);

        let mut rest = bytes.as_slice();
        let mut found = Vec::new();
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            let entry = reader.entry().clone();
            if entry.is_trailer() {
                break;
            }
            let mut content = Vec::new();
            rest = reader.to_writer(&mut content).unwrap();
            found.push((
                entry.name().to_owned(),
                entry.mode(),
                entry.rdev_minor(),
                content,
            ));
        }
        let expected = [
            ("bin", 0o040_755, 0, b"".as_slice()),
            ("bin/tool", 0o100_755, 0, b"abcde"),
            ("bin/also", 0o120_777, 0, b"tool"),
            ("dev", 0o040_755, 0, b""),
            ("dev/null", 0o020_600, 3, b""),
        ];
        assert_eq!(found.len(), expected.len());
        for (is, want) in found.iter().zip(expected) {
            assert_eq!((is.0.as_str(), is.1, is.2, is.3.as_slice()), want);
        }
    }

    #[test]
    fn libraries_are_read_from_ldd() {
        let text = "\tlinux-vdso.so.1 (0x7ffc)\n\tlibc.so.6 => /lib/libc.so.6 (0x7f01)\n\t/lib64/ld-linux.so.2 (0x7f02)\n";
        assert_eq!(
            parse_ldd(text).unwrap(),
            ["/lib/libc.so.6", "/lib64/ld-linux.so.2"].map(PathBuf::from)
        );
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
        assert!(parse_ldd("\tlibx.so => not found\n").is_err());
    }
}
