//! What files set at boot: sysctl.d, modprobe.d, modules-load.d.

use std::{collections::BTreeMap, fs};

use crate::kernel::Root;

const STEM: &str = "nf_conntrack";
/// Folders of sysctl files, the strongest first: of two files of one name only the first is read
/// (sysctl.d(5)).
const SYSCTL: [&str; 4] = [
    "etc/sysctl.d",
    "run/sysctl.d",
    "usr/local/lib/sysctl.d",
    "usr/lib/sysctl.d",
];
/// Read after all others by procps's `sysctl --system`.
const LAST: &str = "etc/sysctl.conf";
const MODPROBE: [&str; 3] = ["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d"];
const LOADED: [&str; 3] = [
    "etc/modules-load.d",
    "run/modules-load.d",
    "usr/lib/modules-load.d",
];

/// A line that concerns conntrack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file, below the machine's root.
    pub file: String,
    /// Short name of the sysctl (`nf_conntrack_max`); the whole line where it is none.
    pub name: String,
    /// Its value, as it stands there; empty where it is no sysctl.
    pub value: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Sysctls, in the order in which they are set: the last of a name stays.
    pub sysctls: Vec<Line>,
    /// Lines about the module: options, and what is run in place of loading it.
    pub modprobe: Vec<Line>,
    /// The file that has the module loaded before sysctl files are read.
    pub loads: Option<String>,
}

impl Files {
    /// Reads them.
    #[must_use]
    pub fn read(root: &Root) -> Self {
        let mut sysctls = Vec::new();
        let mut files = named(root, &SYSCTL);
        files.push(LAST.to_owned());
        for file in &files {
            sysctls.extend(
                lines(root, file)
                    .iter()
                    .filter_map(|line| sysctl(file, line)),
            );
        }
        let mut modprobe = Vec::new();
        for file in named(root, &MODPROBE) {
            let about = lines(root, &file).into_iter().filter(|line| {
                let mut words = line.split_whitespace();
                matches!(words.next(), Some("options" | "install" | "blacklist"))
                    && words.next() == Some(STEM)
            });
            modprobe.extend(about.map(|line| Line {
                file: format!("/{file}"),
                name: line,
                value: String::new(),
            }));
        }
        let mut early = named(root, &LOADED);
        early.push("etc/modules".to_owned());
        let is_loaded = |file: &String| lines(root, file).iter().any(|line| line == STEM);
        let loads = early.into_iter().find(is_loaded);
        Self {
            sysctls,
            modprobe,
            loads: loads.map(|file| format!("/{file}")),
        }
    }

    /// Those that set this sysctl (short name), in order: the last one stays.
    pub fn setting<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Line> {
        self.sysctls.iter().filter(move |line| line.name == name)
    }
}

/// Files ending in `.conf`, by their names; of those with the same name, the one in the first folder.
fn named(root: &Root, folders: &[&str]) -> Vec<String> {
    let mut by_name = BTreeMap::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(root.path(folder)) else {
            continue;
        };
        for name in entries.filter_map(|it| it.ok()?.file_name().into_string().ok()) {
            if name.ends_with(".conf") {
                let file = format!("{folder}/{name}");
                by_name.entry(name).or_insert(file);
            }
        }
    }
    by_name.into_values().collect()
}

/// Lines that are no comments, trimmed; none of a file that cannot be read.
fn lines(root: &Root, file: &str) -> Vec<String> {
    let text = root.text(file).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .map(str::to_owned)
        .collect()
}

/// `net.netfilter.nf_conntrack_max = 5`; a `-` before the name keeps errors silent.
fn sysctl(file: &str, line: &str) -> Option<Line> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_start_matches('-').replace('/', ".");
    let short = name.strip_prefix("net.netfilter.").or_else(|| {
        name.strip_prefix("net.")
            .filter(|it| *it == "nf_conntrack_max")
    })?;
    short.starts_with(STEM).then(|| Line {
        file: format!("/{file}"),
        name: short.to_owned(),
        value: value.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> Files {
        let (_folder, root) = Root::with(files);
        Files::read(&root)
    }

    #[test]
    fn the_last_file_by_name_stays_and_etc_covers_usr() {
        let files = machine(&[
            (
                "usr/lib/sysctl.d/50-a.conf",
                "net.netfilter.nf_conntrack_max = 1",
            ),
            (
                "etc/sysctl.d/50-a.conf",
                "net.nf_conntrack_max=2\nnet.core.somaxconn=1",
            ),
            (
                "usr/lib/sysctl.d/60-b.conf",
                "# x\n-net/netfilter/nf_conntrack_max = 3",
            ),
        ]);
        let set: Vec<_> = files.setting("nf_conntrack_max").collect();
        let values: Vec<&str> = set.iter().map(|line| &*line.value).collect();
        assert_eq!(values, ["2", "3"]);
        assert_eq!(set[1].file, "/usr/lib/sysctl.d/60-b.conf");
    }

    #[test]
    fn how_the_module_is_loaded_is_known() {
        let files = machine(&[
            (
                "etc/modprobe.d/x.conf",
                "options nf_conntrack hashsize=4096\noptions nf_nat x=1",
            ),
            ("usr/lib/modules-load.d/y.conf", "nf_conntrack\n"),
        ]);
        assert_eq!(files.modprobe[0].name, "options nf_conntrack hashsize=4096");
        assert_eq!(files.modprobe.len(), 1);
        assert_eq!(
            files.loads.as_deref(),
            Some("/usr/lib/modules-load.d/y.conf")
        );
        assert_eq!(machine(&[]), Files::default());
    }
}
