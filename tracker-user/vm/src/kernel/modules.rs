//! A kernel's modules: what needs what, and what is built in.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The dependency files of one kernel.
#[derive(Debug, Default)]
pub struct Modules {
    dir: PathBuf,
    by_name: HashMap<String, Module>,
    soft: HashMap<String, Vec<String>>,
    builtin: HashSet<String>,
}

#[derive(Debug)]
struct Module {
    path: String,
    needs: Vec<String>,
}

impl Modules {
    /// Reads `modules.dep`, `modules.softdep` and `modules.builtin`.
    pub fn read(dir: &Path) -> Result<Self> {
        let dep = fs::read_to_string(dir.join("modules.dep")).with_context(|| {
            format!("cannot read the modules' dependencies in {}", dir.display())
        })?;
        let optional = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
        Ok(Self {
            dir: dir.to_owned(),
            ..Self::parse(
                &dep,
                &optional("modules.softdep"),
                &optional("modules.builtin"),
            )
        })
    }

    fn parse(dep: &str, softdep: &str, builtin: &str) -> Self {
        let by_name = dep
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(path, needs)| {
                let needs = needs.split_whitespace().map(str::to_owned).collect();
                (
                    name_of(path),
                    Module {
                        path: path.to_owned(),
                        needs,
                    },
                )
            });
        let soft = softdep
            .lines()
            .filter_map(|line| line.strip_prefix("softdep "))
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let name = name_of(words.next()?);
                Some((
                    name,
                    words
                        .filter(|word| !word.ends_with(':'))
                        .map(name_of)
                        .collect(),
                ))
            });
        Self {
            dir: PathBuf::new(),
            by_name: by_name.collect(),
            soft: soft.collect(),
            builtin: builtin.split_whitespace().map(name_of).collect(),
        }
    }

    /// The folder that the modules' paths start from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether there is a module file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(&name_of(name))
    }

    /// Whether the kernel itself contains what this module would bring.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(&name_of(name))
    }

    /// The names of all modules below a folder such as `net/netfilter`.
    pub fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let prefix = format!("kernel/{folder}/");
        let inside = move |(_, module): &(&String, &Module)| module.path.starts_with(&prefix);
        self.by_name
            .iter()
            .filter(inside)
            .map(|(name, _)| name.as_str())
    }

    /// The paths of these modules and of all that they need, hard or soft.
    pub fn closure<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&str> {
        let mut paths = BTreeSet::new();
        let mut todo: Vec<String> = names.into_iter().map(name_of).collect();
        let mut done = HashSet::new();
        while let Some(name) = todo.pop() {
            let Some(module) = self.by_name.get(&name) else {
                continue;
            };
            if done.insert(name.clone()) {
                paths.insert(module.path.as_str());
                todo.extend(module.needs.iter().map(|path| name_of(path)));
                todo.extend(self.soft.get(&name).into_iter().flatten().cloned());
            }
        }
        paths
    }
}

/// `kernel/net/nf-conntrack.ko.xz` is the module `nf_conntrack`.
pub fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules() -> Modules {
        Modules::parse(
            "kernel/net/netfilter/nf_conntrack.ko.xz: kernel/net/netfilter/nf_defrag_ipv4.ko.xz kernel/lib/libcrc32c.ko.xz\n\
             kernel/net/netfilter/nf_defrag_ipv4.ko.xz:\n\
             kernel/lib/libcrc32c.ko.xz:\n\
             kernel/crypto/crc32c-generic.ko.xz:\n\
             kernel/drivers/net/veth.ko.xz:\n",
            "# a comment\nsoftdep libcrc32c pre: crc32c-generic\n",
            "kernel/net/core/sch_generic.ko\n",
        )
    }

    #[test]
    fn the_closure_follows_hard_and_soft_needs() {
        let modules = modules();
        let paths: Vec<_> = modules
            .closure(["nf-conntrack", "no_such"])
            .into_iter()
            .collect();
        assert_eq!(
            paths,
            [
                "kernel/crypto/crc32c-generic.ko.xz",
                "kernel/lib/libcrc32c.ko.xz",
                "kernel/net/netfilter/nf_conntrack.ko.xz",
                "kernel/net/netfilter/nf_defrag_ipv4.ko.xz",
            ]
        );
    }

    #[test]
    fn modules_are_known_by_name_and_folder() {
        let modules = modules();
        assert!(modules.has("crc32c_generic") && !modules.has("sch_generic"));
        assert!(modules.is_builtin("sch-generic"));
        let mut below: Vec<_> = modules.below("net/netfilter").collect();
        below.sort_unstable();
        assert_eq!(below, ["nf_conntrack", "nf_defrag_ipv4"]);
    }
}
