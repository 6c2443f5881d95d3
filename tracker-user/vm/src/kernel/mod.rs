//! Kernels to boot: what the user's KERNEL means, and where its files are.

mod apt;
mod archive;
mod image;
mod modules;
mod packages;
mod store;
mod unpack;

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};

pub(crate) use archive::modules_archive;
pub use image::own;
pub(crate) use modules::Modules;
pub(crate) use store::unfetchable;
pub use store::{get, series};

/// A kernel whose files are on this machine.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// What `uname -r` says, such as `6.12.117+deb13-cloud-amd64`.
    pub release: String,
    /// The bootable image.
    pub image: PathBuf,
    /// The folder with `modules.dep`; none if the kernel has no modules.
    pub modules: Option<PathBuf>,
}

/// What the user typed for a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// `6.12`: the newest of Debian's packages of that series.
    Series(String),
    /// `6.1.0-56-cloud-amd64`: exactly this release of Debian's.
    Release(String),
    /// `/boot/vmlinuz[:MODULES_DIR]`: files of the user's own.
    Files {
        /// The image.
        image: PathBuf,
        /// Where its modules are, unless beside it or in the usual places.
        modules: Option<PathBuf>,
    },
}

impl FromStr for Spec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            bail!("the kernel's name is empty. Give a series such as 6.12");
        }
        if text.contains('/') {
            let (image, modules) = text
                .split_once(':')
                .map_or((text, None), |(i, m)| (i, Some(m)));
            return Ok(Self::Files {
                image: image.into(),
                modules: modules.map(PathBuf::from),
            });
        }
        let series = text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        Ok(if series {
            Self::Series(text.to_owned())
        } else {
            Self::Release(text.to_owned())
        })
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Series(text) | Self::Release(text) => f.write_str(text),
            Self::Files { image, .. } => write!(f, "{}", image.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_a_series_a_release_or_files() {
        let parse = |text: &str| text.parse::<Spec>().unwrap();
        assert_eq!(parse("6.12"), Spec::Series("6.12".into()));
        assert_eq!(
            parse("6.1.0-56-cloud-amd64"),
            Spec::Release("6.1.0-56-cloud-amd64".into())
        );
        assert_eq!(
            parse("./bzImage"),
            Spec::Files {
                image: "./bzImage".into(),
                modules: None
            }
        );
        assert_eq!(
            parse("/a/b:/m"),
            Spec::Files {
                image: "/a/b".into(),
                modules: Some("/m".into())
            }
        );
        assert!("".parse::<Spec>().is_err());
    }
}
