//! Debian's package indexes: which kernels they hold whole, and which is the newest.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// The flavour that is booted: small, and made for virtual machines.
const FLAVOUR: &str = "cloud-amd64";

/// One stanza of a Packages file, as far as kernels need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza {
    name: String,
    version: String,
    depends: String,
    size: u64,
    suite: String,
}

/// A kernel that can be downloaded whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// What `uname -r` will say.
    pub release: String,
    /// Debian's version of the package.
    pub version: String,
    /// The suite that has it.
    pub suite: String,
    /// Bytes to download.
    pub size: u64,
    /// (name, version) of each package to unpack.
    pub packages: Vec<(String, String)>,
}

impl Candidate {
    /// The series, in whatever flavour.
    pub fn series(&self) -> String {
        let mut parts = self.version.split(|it: char| !it.is_ascii_digit());
        let (major, minor) = (parts.next(), parts.next());
        format!(
            "{}.{}",
            major.unwrap_or_default(),
            minor.unwrap_or_default()
        )
    }

    /// Whether this is of the series, in the flavour that is booted.
    pub fn is_of_series(&self, series: &str) -> bool {
        let follows = self
            .version
            .strip_prefix(series)
            .is_some_and(|rest| rest.starts_with(['.', '-', '~']));
        follows && self.release.ends_with(&format!("-{FLAVOUR}")) && !self.release.contains("-rt-")
    }
}

/// The stanzas of kernel packages in a Packages file.
pub fn stanzas<'a>(text: &'a str, suite: &'a str) -> impl Iterator<Item = Stanza> + 'a {
    text.split("\n\n")
        .filter(|stanza| stanza.starts_with("Package: linux-"))
        .filter_map(move |stanza| {
            let mut found = Stanza {
                suite: suite.to_owned(),
                ..Stanza::default()
            };
            for (key, value) in stanza.lines().filter_map(|line| line.split_once(": ")) {
                match key {
                    "Package" => value.clone_into(&mut found.name),
                    "Version" => value.clone_into(&mut found.version),
                    "Depends" => value.clone_into(&mut found.depends),
                    "Size" => found.size = value.parse().ok()?,
                    _ => {}
                }
            }
            kind_and_release(&found.name).is_some().then_some(found)
        })
}

/// Every kernel whose packages are all there, oldest first.
pub fn candidates(stanzas: &[Stanza]) -> Vec<Candidate> {
    let mut by_name: HashMap<&str, Vec<&Stanza>> = HashMap::new();
    for stanza in stanzas {
        by_name.entry(&stanza.name).or_default().push(stanza);
    }
    let mut found: Vec<Candidate> = stanzas
        .iter()
        .filter_map(|image| whole(image, &by_name))
        .collect();
    found.sort_by(|a, b| compare_versions(&a.version, &b.version));
    found.dedup_by(|a, b| a.release == b.release && a.version == b.version);
    found
}

/// Debian's order of versions.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    deb_version::compare_versions(a, b)
}

/// The packages that an image needs beside itself; none if one of them is gone from the archive. Debian moved the
/// configuration to linux-base-* with 6.17, and split the image into linux-binary-* and linux-modules-* with 6.19.
fn whole(image: &Stanza, by_name: &HashMap<&str, Vec<&Stanza>>) -> Option<Candidate> {
    let ("image", release) = kind_and_release(&image.name)? else {
        return None;
    };
    let unbootable = ["-dbg", "-unsigned", "-template"]
        .iter()
        .any(|end| release.ends_with(end));
    let metapackage = image.depends.contains("linux-image-");
    if unbootable || metapackage {
        return None;
    }
    let mut parts = vec![image];
    for kind in ["binary", "modules", "base"] {
        let name = format!("linux-{kind}-{release}");
        if !depends_on(&image.depends, &name) {
            continue;
        }
        let same = by_name
            .get(name.as_str())
            .into_iter()
            .flatten()
            .find(|other| other.version == image.version);
        match same {
            Some(part) => parts.push(part),
            None if kind == "base" => {}
            None => return None,
        }
    }
    Some(Candidate {
        release: release.to_owned(),
        version: image.version.clone(),
        suite: image.suite.clone(),
        size: parts.iter().map(|part| part.size).sum(),
        packages: parts
            .iter()
            .map(|part| (part.name.clone(), part.version.clone()))
            .collect(),
    })
}

fn depends_on(depends: &str, name: &str) -> bool {
    depends
        .split([',', '|'])
        .any(|one| one.split_whitespace().next() == Some(name))
}

fn kind_and_release(name: &str) -> Option<(&str, &str)> {
    let (kind, release) = name.strip_prefix("linux-")?.split_once('-')?;
    let known = ["image", "binary", "modules", "base"].contains(&kind);
    (known && release.starts_with(|c: char| c.is_ascii_digit())).then_some((kind, release))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "\
Package: linux-image-6.1.0-9-cloud-amd64
Version: 6.1.27-1
Depends: kmod, linux-base (>= 4.3~)
Size: 100

Package: linux-image-6.1.0-10-cloud-amd64
Version: 6.1.100-1
Depends: kmod
Description: a kernel
 with: a continued line
Size: 200

Package: linux-image-cloud-amd64
Version: 6.1.100-1
Depends: linux-image-6.1.0-10-cloud-amd64 (= 6.1.100-1)
Size: 1

Package: linux-image-6.19.1-cloud-amd64
Version: 6.19.1-1
Depends: linux-binary-6.19.1-cloud-amd64 (= 6.19.1-1), linux-modules-6.19.1-cloud-amd64 (= 6.19.1-1)
Size: 10

Package: linux-binary-6.19.1-cloud-amd64
Version: 6.19.1-1
Size: 20

Package: linux-image-7.3.4-cloud-amd64
Version: 7.3.4-1~bpo13+1
Depends: linux-base-7.3.4-cloud-amd64, linux-modules-7.3.4-cloud-amd64 (= 7.3.4-1~bpo13+1)
Size: 10

Package: linux-modules-7.3.4-cloud-amd64
Version: 7.3.4-1~bpo13+1
Size: 20
";

    fn found() -> Vec<Candidate> {
        candidates(&stanzas(INDEX, "suite").collect::<Vec<_>>())
    }

    #[test]
    fn the_newest_of_a_series_comes_last() {
        let of_6_1: Vec<_> = found()
            .into_iter()
            .filter(|c| c.is_of_series("6.1"))
            .collect();
        let releases: Vec<_> = of_6_1.iter().map(|c| c.release.as_str()).collect();
        assert_eq!(releases, ["6.1.0-9-cloud-amd64", "6.1.0-10-cloud-amd64"]);
    }

    #[test]
    fn a_kernel_without_its_modules_is_left_out() {
        assert!(!found().iter().any(|c| c.is_of_series("6.19")));
    }

    #[test]
    fn all_parts_are_downloaded() {
        let kernel = found().into_iter().find(|c| c.is_of_series("7.3")).unwrap();
        assert_eq!(kernel.size, 30);
        let names: Vec<_> = kernel
            .packages
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "linux-image-7.3.4-cloud-amd64",
                "linux-modules-7.3.4-cloud-amd64"
            ]
        );
    }

    #[test]
    fn versions_have_debians_order() {
        let ordered = [
            "1.0~rc1-1",
            "1.0-1~bpo13+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0.9-1",
            "1.0.10-1",
            "1:0.1-1",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(
                compare_versions(pair[0], pair[1]),
                Ordering::Less,
                "{pair:?}"
            );
        }
    }
}
