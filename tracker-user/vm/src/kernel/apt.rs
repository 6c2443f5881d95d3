//! apt with a state of its own: Debian's indexes and packages without touching this machine's set-up.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use super::packages::{Candidate, candidates, stanzas};
use crate::missing::{FETCHING, KEYRING, Lack, is_here};
use crate::note;
use crate::process::{capture, tail, which};

/// Small indexes that between them hold every series that Debian supports.
const SUITES: [&str; 5] = [
    "bullseye-security",
    "bookworm-security",
    "bookworm-backports",
    "trixie-security",
    "trixie-backports",
];
const ENV_MAIN: &str = "TRACKER_DEBIAN_MIRROR";
const ENV_SECURITY: &str = "TRACKER_DEBIAN_SECURITY_MIRROR";

/// Read with `-c`, after the machine's own apt.conf.d: proxies and the like stay in force, what would touch the machine
/// or cost time does not.
const CONFIG: &str = r#"
Dir::State "@/state";
Dir::State::status "@/status";
Dir::Cache "@/cache";
Dir::Etc::sourcelist "@/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
#clear Acquire::IndexTargets::deb::CNF;
"#;

/// A private apt state in a folder.
pub struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// The state in this folder, which need not be there yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// What this machine lacks to fetch anything.
    pub fn lacks() -> Vec<Lack> {
        let mut lacks: Vec<Lack> = FETCHING
            .into_iter()
            .filter(|(what, _)| !is_here(what))
            .map(|(what, package)| Lack::Package(what, package))
            .collect();
        let has_apt = which("apt-get").is_some();
        if has_apt && Mirrors::of_this_machine().is_ok_and(|it| it.by_kind.is_empty()) {
            lacks.push(Lack::Archive);
        }
        lacks
    }

    /// Fetches the indexes and gives every kernel that they hold whole, oldest first.
    pub fn update(&self) -> Result<Vec<Candidate>> {
        which("apt-get").context(
            "there is no apt-get to fetch Debian's kernels with. Give --kernel the path of an image",
        )?;
        self.configure()?;
        note!("fetching Debian's package indexes");
        let done = self.apt(&["update", "-q"])?;
        let indexes = self.indexes()?;
        let said = String::from_utf8_lossy(&done.stderr);
        if indexes.is_empty() {
            bail!(
                "fetching Debian's package indexes failed. See to the network and try again:\n{}",
                tail(&said, 12)
            );
        }
        // One suite may be gone while the others are there.
        said.lines()
            .filter(|line| line.starts_with("E:"))
            .for_each(|line| note!("{line}"));
        let mut all = Vec::new();
        for (suite, path) in &indexes {
            let text = capture(
                Command::new("/usr/lib/apt/apt-helper")
                    .arg("cat-file")
                    .arg(path),
            )?;
            all.extend(stanzas(&text, suite));
        }
        Ok(candidates(&all))
    }

    /// Downloads packages, checked against the signed index, into a folder.
    pub fn download(&self, packages: &[(String, String)], into: &Path) -> Result<Vec<PathBuf>> {
        let wanted = packages
            .iter()
            .map(|(name, version)| format!("{name}={version}"));
        capture(
            self.command()
                .args(["download", "-q"])
                .args(wanted)
                .current_dir(into),
        )?;
        let files = fs::read_dir(into)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        Ok(files
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "deb"))
            .collect())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command
            .arg("-c")
            .arg(self.dir.join("apt.conf"))
            .env("LC_ALL", "C");
        command
    }

    fn apt(&self, arguments: &[&str]) -> Result<Output> {
        self.command()
            .args(arguments)
            .output()
            .context("cannot run apt-get")
    }

    /// (suite, file) of each index that was fetched.
    fn indexes(&self) -> Result<Vec<(String, PathBuf)>> {
        let done = self.apt(&[
            "indextargets",
            "--format",
            "$(RELEASE)|$(FILENAME)",
            "Created-By: Packages",
        ])?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let pairs = text.lines().filter_map(|line| line.split_once('|'));
        Ok(pairs
            .map(|(suite, path)| (suite.into(), path.into()))
            .filter(|(_, path): &(_, PathBuf)| path.exists())
            .collect())
    }

    fn configure(&self) -> Result<()> {
        if !Path::new(KEYRING).exists() {
            bail!(
                "there is no {KEYRING} to check Debian's kernels with. Install debian-archive-keyring"
            );
        }
        let mirrors = Mirrors::of_this_machine()?;
        let lines: Vec<String> = SUITES
            .iter()
            .filter_map(|suite| {
                Some(format!(
                    "deb [arch=amd64 signed-by={KEYRING}] {} {suite} main\n",
                    mirrors.of(suite)?
                ))
            })
            .collect();
        if lines.is_empty() {
            bail!(
                "apt on this machine knows no Debian archive. Set {ENV_MAIN} and {ENV_SECURITY} to their addresses"
            );
        }
        if lines.len() < SUITES.len() {
            note!(
                "some of Debian's suites are not looked at. Set {ENV_MAIN} and {ENV_SECURITY} to have them all"
            );
        }
        for sub in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.dir.join(sub))?;
        }
        fs::write(self.dir.join("status"), "")?;
        fs::write(self.dir.join("sources.list"), lines.concat())?;
        fs::write(
            self.dir.join("apt.conf"),
            CONFIG.replace('@', &self.dir.to_string_lossy()),
        )?;
        Ok(())
    }
}

/// The addresses of Debian's archive and of its security archive.
struct Mirrors {
    by_kind: HashMap<&'static str, String>,
}

impl Mirrors {
    fn of_this_machine() -> Result<Self> {
        let mut by_kind = HashMap::new();
        for (kind, name) in [("main", ENV_MAIN), ("security", ENV_SECURITY)] {
            if let Ok(address) = env::var(name) {
                by_kind.insert(kind, address);
            }
        }
        let format = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)";
        let text = capture(Command::new("apt-get").args([
            "indextargets",
            "--format",
            format,
            "Created-By: Packages",
        ]))?;
        for line in text.lines() {
            let mut fields = line.splitn(3, '|');
            let (Some(origin), Some(suite), Some(address)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            // The origin is empty before the first `apt-get update`; the suite's name then tells.
            if origin == "Debian" || (origin.is_empty() && is_debian_suite(suite)) {
                by_kind
                    .entry(kind_of(suite))
                    .or_insert_with(|| address.to_owned());
            }
        }
        Ok(Self { by_kind })
    }

    fn of(&self, suite: &str) -> Option<&str> {
        self.by_kind.get(kind_of(suite)).map(String::as_str)
    }
}

fn kind_of(suite: &str) -> &'static str {
    if suite.ends_with("-security") {
        "security"
    } else {
        "main"
    }
}

fn is_debian_suite(suite: &str) -> bool {
    let names = [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "stable",
        "testing",
        "unstable",
        "oldstable",
    ];
    names.contains(&suite.split('-').next().unwrap_or_default())
}
