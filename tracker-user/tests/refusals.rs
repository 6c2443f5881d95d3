//! What `tracker lab run` and `tracker bench` say to a user who may not, or to wrong words: exit
//! status, a sentence and a remedy, and nothing on stdout.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};

/// Whoever has no rights.
const NOBODY: u32 = 65_534;
const USAGE: i32 = 2;
const CANNOT: i32 = 3;

/// A program that everybody may run, also one that was built where only its owner may look.
struct Program {
    folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// A copy cannot be run while another test's new process still holds the file that it was written
/// through.
static ALONE: Mutex<()> = Mutex::new(());

impl Program {
    fn copy() -> Result<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let program = Self {
            folder,
            _alone: alone,
        };
        fs::copy(env!("CARGO_BIN_EXE_tracker"), program.path())?;
        Ok(program)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tracker")
    }

    /// Runs it without privileges.
    fn refused(&self, words: &[&str], code: i32) -> Result<String> {
        let mut command = Command::new(self.path());
        command.args(words).current_dir("/");
        if is_root()? {
            command.uid(NOBODY).gid(NOBODY);
        }
        let done = command.output()?;
        let said = String::from_utf8(done.stderr)?;
        assert_eq!(done.status.code(), Some(code), "{words:?}: {said}");
        assert_eq!(String::from_utf8(done.stdout)?, "", "{words:?}");
        Ok(said)
    }
}

fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix("Uid:"));
    let ids = line.context("no user is told")?;
    Ok(ids.split_whitespace().nth(1) == Some("0"))
}

#[test]
fn who_may_not_make_namespaces_is_told_what_it_takes() {
    let program = Program::copy().unwrap();
    let truth = program.folder.path().join("truth.json");
    let watch = program.folder.path().join("watch.db");
    let name = |path: &Path| path.to_str().unwrap().to_owned();
    for words in [
        &["lab", "run", "dns"][..],
        &["lab", "run", "table-full"],
        &[
            "lab",
            "run",
            "dns",
            "--truth",
            &name(&truth),
            "--watch",
            &name(&watch),
        ],
        &["bench"],
        &["bench", "dns", "--json"],
    ] {
        let said = program.refused(words, CANNOT).unwrap();
        let has = |what: &str, remedy: &str| said.contains(what) && said.contains(remedy);
        assert!(
            has("no network namespace can be made: ", ". It takes root")
                || has("ip is not here", ". Install it")
                || has("nft is not here", ". Install it"),
            "{words:?}: {said}"
        );
    }
    assert!(!truth.exists() && !watch.exists());
}

#[test]
fn wrong_words_are_refused_before_anything_is_made() {
    let program = Program::copy().unwrap();
    let bad = program.folder.path().join("bad.toml");
    fs::write(&bad, "description = 1").unwrap();
    let bad = bad.to_str().unwrap();
    for (words, says) in [
        (
            &["lab", "run", "no-such"][..],
            "no scenario is named `no-such`. See",
        ),
        (&["bench", "no-such"], "no scenario is named `no-such`. See"),
        (
            &["lab", "show", "no-such"],
            "no scenario is named `no-such`. See",
        ),
        (
            &["lab", "run", bad],
            "bad.toml:1:15: invalid type: integer `1`",
        ),
        (&["bench", bad], "bad.toml:1:15: invalid type: integer `1`"),
        (
            &["lab", "run", "dns", "--rate", "nan"],
            "a rate of NaN is not above 0",
        ),
        (
            &["lab", "run", "dns", "--rate=-1"],
            "a rate of -1 is not above 0",
        ),
        (
            &["bench", "dns", "--rate", "0"],
            "a rate of 0 is not above 0",
        ),
        (&["bench", "dns", "--duration", "0"], "in a duration of 0"),
        (&["lab", "run", "dns", "--duration=-1s"], "--duration"),
        (
            &["lab", "run", "dns", "--threads", "100000"],
            "give --threads",
        ),
        (&["lab", "run", "dns", "--seed", "x"], "--seed"),
        (
            &["whatif", "x", "--set", "tcp_timeout_timewait=30"],
            "Write nf_conntrack_tcp_timeout_time_wait, if that is meant",
        ),
        (
            &["whatif", "x", "--set", "udp_timeout=0"],
            "Give a whole number of seconds from 1 to 2,147,483",
        ),
        (&["whatif", "x", "--set", "udp_timeout"], "Write NAME=VALUE"),
        (
            &[
                "whatif",
                "x",
                "--set",
                "max=9",
                "--set",
                "net.nf_conntrack_max=8",
            ],
            "nf_conntrack_max is set twice. Give one value for it",
        ),
        (&["whatif", "x"], "--set"),
        (
            &["recommend", "x", "--growth", "0.5"],
            "not a factor from 1",
        ),
        (
            &["lab", "run", "dns", "--set", "udp_timeout"],
            "`udp_timeout` sets nothing. Write",
        ),
        (
            &["lab", "run", "dns", "--set", "generic_timeout=5"],
            "no setting is named `generic_timeout`. Name",
        ),
        (
            &["lab", "prove", "dns"],
            "dns has no [proof] that can be: the table is missing. See",
        ),
        (
            &["lab", "prove", "dns", "--plan", bad],
            "bad.toml is no whole plan",
        ),
    ] {
        let said = program.refused(words, USAGE).unwrap();
        assert!(said.contains(says), "{words:?}: {said}");
    }
}
