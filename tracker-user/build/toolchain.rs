//! Where a compiler and a linker for BPF are found on this machine.
//!
//! The build script and `cargo xtask setup` share this file, so that what the one installs is what the other uses. It
//! depends on nothing outside the standard library.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of bpf-linker that is built and cached.
pub const LINKER_VERSION: &str = "0.13.0";
/// The oldest compiler, as (major, minor), that takes the workspace.
const OLDEST_RUSTC: (u32, u32) = (1, 90);

/// A compiler and a linker that fit each other.
#[derive(Debug)]
pub struct Toolchain {
    pub compiler: Compiler,
    pub linker: Linker,
}

/// A `rustc` that has the source of `core` beside it.
#[derive(Debug, Clone)]
pub struct Compiler {
    pub rustc: PathBuf,
    /// The cargo of the same toolchain; without one, the cargo that runs already will do.
    pub cargo: Option<PathBuf>,
    /// The `lib` folder of the toolchain.
    pub lib: PathBuf,
    /// Major version of its LLVM.
    pub llvm: u32,
}

/// A `bpf-linker`.
#[derive(Debug, Clone)]
pub struct Linker {
    pub path: PathBuf,
    /// Major version of its LLVM, where that is known.
    pub llvm: Option<u32>,
}

/// What keeps the BPF programs from being built.
#[derive(Debug)]
pub enum Missing {
    Compiler,
    Linker { llvm: u32 },
    Newer { compiler: u32, linker: u32 },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => write!(
                f,
                "the BPF programs need a Rust compiler (1.90 or later) with the source of `core`, and there is neither \
                 a rustup toolchain with the component rust-src nor a distribution's with /usr/lib/rustlib/src/rust"
            ),
            Self::Linker { llvm } => {
                write!(
                    f,
                    "the BPF programs need bpf-linker with LLVM {llvm} or later, and there is none"
                )
            }
            Self::Newer { compiler, linker } => write!(
                f,
                "the BPF programs cannot be linked: the compiler's LLVM {compiler} is newer than bpf-linker's LLVM {linker}"
            ),
        }?;
        write!(
            f,
            ". Run `cargo xtask setup`, which installs it or says how"
        )
    }
}

impl std::error::Error for Missing {}

/// The folders that are searched.
#[derive(Debug, Clone)]
pub struct Places {
    /// The project's own cache, shared by all checkouts.
    pub cache: PathBuf,
    /// rustup's toolchains.
    pub toolchains: PathBuf,
    /// Where a distribution puts `bin/rustc`.
    pub system: PathBuf,
    /// The folders of PATH.
    pub path: Vec<PathBuf>,
}

impl Places {
    /// The places of whoever runs this.
    pub fn of_this_user() -> Self {
        let home = env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let set = |name: &str| {
            env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        // rustup names its folder to the programs that it runs; HOME may be another by then.
        let rustup = set("RUSTUP_HOME").unwrap_or_else(|| home.join(".rustup"));
        Self {
            cache: set("XDG_CACHE_HOME")
                .unwrap_or_else(|| home.join(".cache"))
                .join("tracker"),
            toolchains: rustup.join("toolchains"),
            system: PathBuf::from("/usr"),
            path: env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect(),
        }
    }

    /// Where the linker for an LLVM is kept; `bin/bpf-linker` lies below.
    pub fn linker_root(&self, llvm: u32) -> PathBuf {
        self.cache
            .join(format!("bpf-linker-{LINKER_VERSION}-llvm{llvm}"))
    }

    /// Every usable compiler: rustup's nightlies, rustup's others, the distribution's.
    pub fn compilers(&self) -> Vec<Compiler> {
        let mut roots: Vec<PathBuf> = fs::read_dir(&self.toolchains)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        let name = |root: &Path| {
            root.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        // The undated nightly first: it is the one that `rustup update` keeps current.
        roots.sort_by_key(|root| {
            (
                !name(root).starts_with("nightly"),
                name(root).starts_with("nightly-2"),
                name(root),
            )
        });
        let rustup = roots.iter().filter_map(|root| Compiler::at(root, true));
        rustup.chain(Compiler::at(&self.system, false)).collect()
    }

    /// Every linker that starts: the cache's, newest LLVM first, then those in PATH.
    pub fn linkers(&self) -> Vec<Linker> {
        let prefix = format!("bpf-linker-{LINKER_VERSION}-llvm");
        let mut cached: Vec<Linker> = fs::read_dir(&self.cache)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let llvm = entry
                    .file_name()
                    .to_str()?
                    .strip_prefix(&prefix)?
                    .parse()
                    .ok()?;
                let path = entry.path().join("bin/bpf-linker");
                starts(&path).then_some(Linker {
                    path,
                    llvm: Some(llvm),
                })
            })
            .collect();
        cached.sort_by_key(|linker| std::cmp::Reverse(linker.llvm));
        let others = self
            .path
            .iter()
            .map(|dir| dir.join("bpf-linker"))
            .filter(|path| starts(path))
            .map(|path| Linker {
                llvm: linked_llvm(&path),
                path,
            });
        cached.into_iter().chain(others).collect()
    }

    /// The first compiler, in order of preference, for which there is a linker.
    pub fn find(&self) -> Result<Toolchain, Missing> {
        pair(&self.compilers(), &self.linkers())
    }
}

impl Compiler {
    fn at(root: &Path, with_cargo: bool) -> Option<Self> {
        let rustc = root.join("bin/rustc");
        let source = root.join("lib/rustlib/src/rust/library/core/Cargo.toml");
        if !rustc.is_file() || !source.is_file() {
            return None;
        }
        // A rustc run by rustup's proxy is told by the environment which toolchain to be.
        let said = Command::new(&rustc)
            .arg("-vV")
            .env_remove("RUSTUP_TOOLCHAIN")
            .output()
            .ok()?;
        let (version, llvm) = parse_version(&String::from_utf8_lossy(&said.stdout))?;
        let cargo = root.join("bin/cargo");
        (version >= OLDEST_RUSTC).then(|| Self {
            rustc,
            cargo: (with_cargo && cargo.is_file()).then_some(cargo),
            lib: root.join("lib"),
            llvm,
        })
    }
}

/// The first pair in which the compiler's LLVM is not newer than the linker's: older readers refuse newer bitcode.
pub fn pair(compilers: &[Compiler], linkers: &[Linker]) -> Result<Toolchain, Missing> {
    for compiler in compilers {
        for linker in linkers {
            if linker.llvm.is_none_or(|llvm| compiler.llvm <= llvm) {
                return Ok(Toolchain {
                    compiler: compiler.clone(),
                    linker: linker.clone(),
                });
            }
        }
    }
    let Some(compiler) = compilers.first() else {
        return Err(Missing::Compiler);
    };
    Err(linkers.iter().find_map(|linker| linker.llvm).map_or(
        Missing::Linker {
            llvm: compiler.llvm,
        },
        |linker| Missing::Newer {
            compiler: compiler.llvm,
            linker,
        },
    ))
}

/// Whether a linker runs at all; it does not once the LLVM below it is gone.
pub fn starts(linker: &Path) -> bool {
    linker.is_file()
        && Command::new(linker)
            .arg("--version")
            .output()
            .is_ok_and(|done| done.status.success())
}

/// Major version of the shared LLVM that a linker uses; none if it has LLVM inside.
fn linked_llvm(linker: &Path) -> Option<u32> {
    let libraries = Command::new("ldd").arg(linker).output().ok()?;
    parse_llvm(&String::from_utf8_lossy(&libraries.stdout))
}

/// 22 out of `libLLVM.so.22.1 => …`, or out of `libLLVM-22.so => …`.
fn parse_llvm(libraries: &str) -> Option<u32> {
    let (_, after) = libraries.split_once("libLLVM")?;
    let version = after.trim_start_matches(|c: char| !c.is_ascii_digit());
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// (major, minor) of the release and the LLVM's major version, out of `rustc -vV`.
pub fn parse_version(text: &str) -> Option<((u32, u32), u32)> {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))?
            .trim()
            .split_once('.')
    };
    let (major, rest) = field("release:")?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let (llvm, _) = field("LLVM version:")?;
    Some((
        (major.parse().ok()?, minor.parse().ok()?),
        llvm.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiler(llvm: u32) -> Compiler {
        Compiler {
            rustc: format!("rustc-{llvm}").into(),
            cargo: None,
            lib: "lib".into(),
            llvm,
        }
    }

    fn linker(llvm: Option<u32>) -> Linker {
        Linker {
            path: format!("linker-{llvm:?}").into(),
            llvm,
        }
    }

    #[test]
    fn versions_are_read_from_what_rustc_says() {
        let said = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(parse_version(said), Some(((1, 97), 22)));
        assert_eq!(parse_version("rustc 1.0\n"), None);
    }

    #[test]
    fn the_llvm_of_a_linker_is_read_from_ldd() {
        assert_eq!(
            parse_llvm("\tlibLLVM.so.22.1 => /lib/libLLVM.so.22.1 (0x7f)\n"),
            Some(22)
        );
        assert_eq!(
            parse_llvm("\tlibLLVM-19.so.1 => /lib/libLLVM-19.so.1 (0x7f)\n"),
            Some(19)
        );
        assert_eq!(parse_llvm("\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n"), None);
    }

    #[test]
    fn the_compilers_llvm_is_never_newer_than_the_linkers() {
        let found = pair(&[compiler(23), compiler(22)], &[linker(Some(22))]).unwrap();
        assert_eq!((found.compiler.llvm, found.linker.llvm), (22, Some(22)));
        let found = pair(&[compiler(22)], &[linker(Some(21)), linker(Some(23))]).unwrap();
        assert_eq!(found.linker.llvm, Some(23));
        assert!(pair(&[compiler(99)], &[linker(None)]).is_ok());
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(matches!(pair(&[], &[linker(None)]), Err(Missing::Compiler)));
        assert!(matches!(
            pair(&[compiler(22)], &[]),
            Err(Missing::Linker { llvm: 22 })
        ));
        assert!(matches!(
            pair(&[compiler(23)], &[linker(Some(22))]),
            Err(Missing::Newer {
                compiler: 23,
                linker: 22
            })
        ));
    }
}
