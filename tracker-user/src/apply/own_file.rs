//! The file of tracker's own that sets values at boot. Other files are never touched.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{ApplyError, Change, durable};
use crate::{
    kernel::{Root, owners::Files},
    settings::Name,
};

const FILE: &str = "etc/sysctl.d/90-tracker.conf";
/// Its first line, which tells whoever finds it.
const MARK: &str = "# Written by tracker apply --persist; tracker rollback takes it back.";

/// The file before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFile {
    /// What was in it; `None` if it was not there.
    before: Option<String>,
    /// What is in it.
    after: String,
}

impl OwnFile {
    /// What is to be in it for these values of the namespace whose settings are set at boot; what an
    /// earlier plan put there stays. `None` if all that is in it already.
    ///
    /// # Errors
    /// When there is such a file, and it is somebody else's.
    pub fn of(root: &Root, wanted: &BTreeMap<Name, u64>) -> Result<Option<Self>, ApplyError> {
        let path = Self::path(root);
        // Where a link leads is not tracker's.
        if fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink()) {
            return Err(ApplyError::NotOwn { path });
        }
        let before = durable::read(&path).map_err(|source| failed(path.clone(), source))?;
        if !is_own(before.as_ref()) {
            return Err(ApplyError::NotOwn { path });
        }
        let mut values: BTreeMap<Name, u64> = before.as_deref().map(parse).unwrap_or_default();
        values.extend(wanted);
        let after = text(&values);
        let is_new = !wanted.is_empty() && before.as_ref() != Some(&after);
        Ok(is_new.then_some(Self { before, after }))
    }

    /// The same, with what was in it before an earlier write.
    ///
    /// # Errors
    /// When somebody else has changed it since: going back would take that away.
    pub fn since(self, root: &Root, earlier: Option<&Self>) -> Result<Self, ApplyError> {
        let Some(earlier) = earlier else {
            return Ok(self);
        };
        let is_known =
            self.before == earlier.before || self.before.as_ref() == Some(&earlier.after);
        if !is_known {
            let path = Self::path(root);
            return Err(ApplyError::NotOwn { path });
        }
        let before = earlier.before.clone();
        Ok(Self { before, ..self })
    }

    /// Nothing but tracker's own is restored.
    #[must_use]
    pub fn is_own(&self) -> bool {
        is_own(self.before.as_ref())
    }

    /// Fails if it could not be written. Nothing stays of the attempt.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn check(root: &Root) -> Result<(), ApplyError> {
        let path = Self::path(root);
        durable::check(&path).map_err(|source| failed(path, source))
    }

    /// Where it is.
    #[must_use]
    pub fn path(root: &Root) -> PathBuf {
        root.path(FILE)
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, root: &Root) -> Result<(), ApplyError> {
        let path = Self::path(root);
        durable::write(&path, &self.after, 0o644).map_err(|source| failed(path, source))
    }

    /// Restores what was there; false if somebody has changed it meanwhile, and `force` is not given.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn restore(&self, root: &Root, force: bool) -> Result<bool, ApplyError> {
        let path = Self::path(root);
        let failed = |source| failed(path.clone(), source);
        durable::sweep(&path);
        let now = durable::read(&path).map_err(failed)?;
        if now == self.before {
            return Ok(true);
        }
        if now.as_ref() != Some(&self.after) && !force {
            return Ok(false);
        }
        match &self.before {
            Some(text) => durable::write(&path, text, 0o644),
            None => durable::remove(&path),
        }
        .map_err(failed)?;
        Ok(true)
    }

    /// What else it takes for the values to be there after a reboot.
    #[must_use]
    pub fn remedies(
        files: &Files,
        wanted: &BTreeMap<Name, u64>,
        changes: &[Change],
        is_module: bool,
    ) -> Vec<String> {
        let mut said = Vec::new();
        if is_module && files.loads.is_none() {
            said.push(
                "At boot, sysctl.d is read before nf_conntrack is loaded, and then has no effect. Have \
                 it loaded early: echo nf_conntrack > /etc/modules-load.d/nf_conntrack.conf"
                    .to_owned(),
            );
        }
        let elsewhere = changes.iter().filter(|it| !it.place.is_host()).count();
        if elsewhere > 0 {
            said.push(
                "A file sets only the values of the namespace `host`: have whoever makes the other \
                 namespaces set theirs."
                    .to_owned(),
            );
        }
        let own = format!("/{FILE}");
        for name in wanted.keys() {
            let short = name.short();
            let last = files.setting(&short).next_back();
            let Some(line) = last.filter(|it| it.file != own && base(&it.file) > base(&own)) else {
                continue;
            };
            said.push(format!(
                "{} sets {short} to {} and is read later: take the line out.",
                line.file, line.value
            ));
        }
        said
    }
}

/// A line that tracker would not write is somebody else's.
fn is_own(found: Option<&String>) -> bool {
    found.is_none_or(|found| *found == text(&parse(found)))
}

fn text(values: &BTreeMap<Name, u64>) -> String {
    let mut text = format!("{MARK}\n");
    for (name, value) in values {
        text += &format!("{} = {value}\n", name.full());
    }
    text
}

fn failed(path: PathBuf, source: io::Error) -> ApplyError {
    if source.kind() == io::ErrorKind::NotFound {
        return ApplyError::NoFolder {
            path: durable::folder(&path).to_owned(),
        };
    }
    ApplyError::OwnFile { path, source }
}

/// By this sysctl.d orders its files; `/etc/sysctl.conf` comes after all of them.
fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn parse(text: &str) -> BTreeMap<Name, u64> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .filter_map(|(name, value)| Some((Name::parse(name).ok()?, value.trim().parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tracker_common::Timer;

    use super::*;
    use crate::{apply::Place, kernel::owners::Line};

    const UDP: Name = Name::Timer(Timer::Udp);

    fn elsewhere() -> Change {
        let place = Place {
            inum: 1,
            name: "blue".to_owned(),
            cookie: None,
        };
        Change {
            place,
            name: UDP,
            before: 1,
            after: 45,
        }
    }

    #[test]
    fn a_later_plan_adds_to_the_file_and_somebody_elses_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        fs::create_dir_all(root.path("etc/sysctl.d")).unwrap();
        let of = |wanted: &[(Name, u64)]| OwnFile::of(&root, &wanted.iter().copied().collect());
        assert_eq!(of(&[]).unwrap(), None);
        let first = of(&[(UDP, 45)]).unwrap().unwrap();
        first.write(&root).unwrap();
        assert_eq!(of(&[(UDP, 45)]).unwrap(), None);
        let second = of(&[(Name::Max, 4096)]).unwrap().unwrap();
        second.write(&root).unwrap();
        let text = fs::read_to_string(OwnFile::path(&root)).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "net.netfilter.nf_conntrack_udp_timeout = 45",
                "net.netfilter.nf_conntrack_max = 4096"
            ]
        );
        assert!(!first.restore(&root, false).unwrap());
        assert!(second.restore(&root, false).unwrap());
        assert!(first.restore(&root, false).unwrap());
        assert!(!OwnFile::path(&root).exists());
        fs::write(OwnFile::path(&root), "net.netfilter.nf_conntrack_max = 1\n").unwrap();
        let said = of(&[(UDP, 45)]).unwrap_err().to_string();
        assert!(said.contains("Move"), "{said}");
        fs::rename(OwnFile::path(&root), root.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink(root.path("elsewhere"), OwnFile::path(&root)).unwrap();
        assert!(matches!(of(&[(UDP, 45)]), Err(ApplyError::NotOwn { .. })));
    }

    #[test]
    fn two_writes_are_taken_back_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        fs::create_dir_all(root.path("etc/sysctl.d")).unwrap();
        let written = |value| {
            let own = OwnFile::of(&root, &BTreeMap::from([(UDP, value)]));
            let own = own.unwrap().unwrap();
            own.write(&root).unwrap();
            own
        };
        let first = written(45);
        let both = written(50).since(&root, Some(&first)).unwrap();
        assert!(both.restore(&root, false).unwrap());
        assert!(!OwnFile::path(&root).exists());
    }

    #[test]
    fn lines_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        fs::create_dir_all(root.path("etc/sysctl.d")).unwrap();
        let of = |value| OwnFile::of(&root, &BTreeMap::from([(UDP, value)]));
        let first = of(45).unwrap().unwrap();
        first.write(&root).unwrap();
        let own = fs::read_to_string(OwnFile::path(&root)).unwrap();
        for line in [
            "# as agreed",
            "vm.swappiness = 10",
            "net.netfilter.nf_log_all_netns = 1",
        ] {
            fs::write(OwnFile::path(&root), format!("{own}{line}\n")).unwrap();
            let said = of(50).unwrap_err().to_string();
            assert!(said.contains("Move"), "{said}");
        }
        // A value of another's is one that tracker could have written, but did not.
        fs::write(OwnFile::path(&root), own.replace("45", "46")).unwrap();
        let second = of(50).unwrap().unwrap();
        let refused = second.since(&root, Some(&first)).unwrap_err();
        assert!(matches!(refused, ApplyError::NotOwn { .. }), "{refused}");
    }

    #[test]
    fn what_a_file_does_not_do_is_said() {
        let line = |file: &str| Line {
            file: file.to_owned(),
            name: "nf_conntrack_udp_timeout".to_owned(),
            value: "99".to_owned(),
        };
        let late = Files {
            sysctls: vec![line("/etc/sysctl.d/95-other.conf")],
            ..Files::default()
        };
        let wanted = BTreeMap::from([(UDP, 45)]);
        let said = OwnFile::remedies(&late, &wanted, &[elsewhere()], true).join("\n");
        for part in [
            "modules-load.d",
            "`host`",
            "95-other.conf sets nf_conntrack_udp_timeout to 99",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let early = Files {
            sysctls: vec![line("/etc/sysctl.d/50-other.conf")],
            loads: Some("/etc/modules".to_owned()),
            ..Files::default()
        };
        assert_eq!(OwnFile::remedies(&early, &wanted, &[], true), [""; 0]);
    }
}
