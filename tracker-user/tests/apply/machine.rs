//! A machine that is nothing but files, and a plan for it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tracker_user::kernel::{Root, machine::identity};

pub const TIME_WAIT: &str = "nf_conntrack_tcp_timeout_time_wait";
pub const UDP: &str = "nf_conntrack_udp_timeout";

/// Files below a folder, which goes away with this.
pub struct Machine {
    folder: tempfile::TempDir,
    plan: PathBuf,
    _beside: tempfile::TempDir,
}

impl Machine {
    /// One that tracks, in one namespace; and a plan for it.
    pub fn new() -> Self {
        let beside = tempfile::tempdir().unwrap();
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
            plan: beside.path().join("plan.json"),
            _beside: beside,
        };
        for (path, text) in [
            ("proc/1/ns/net", ""),
            ("proc/meminfo", "MemTotal: 1000000 kB\n"),
            ("proc/modules", "nf_conntrack 180224 1 nft_ct, Live 0x0\n"),
            ("proc/sys/kernel/osrelease", "6.12\n"),
            ("proc/sys/kernel/hostname", "gateway\n"),
            ("proc/sys/net/core/netdev_max_backlog", "1000\n"),
            ("sys/devices/system/cpu/possible", "0-1\n"),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("etc/sysctl.d/10-other.conf", "vm.swappiness = 10\n"),
            ("proc/1/ns/mnt", ""),
        ] {
            machine.write(path, text);
        }
        fs::create_dir_all(machine.path("proc/thread-self/ns")).unwrap();
        for kind in ["net", "mnt"] {
            let own = machine.path(&format!("proc/thread-self/ns/{kind}"));
            fs::hard_link(machine.path(&format!("proc/1/ns/{kind}")), own).unwrap();
        }
        machine.boot_is("a");
        for (name, value) in [
            ("nf_conntrack_count", "12"),
            ("nf_conntrack_max", "8192"),
            ("nf_conntrack_buckets", "8192"),
            (TIME_WAIT, "120"),
            (UDP, "30"),
        ] {
            machine.set(name, value);
        }
        machine.write_plan(&plan(&machine));
        machine
    }

    /// A path on the machine.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Makes a file.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Sets a sysctl.
    pub fn set(&self, name: &str, value: &str) {
        self.write(
            &format!("proc/sys/net/netfilter/{name}"),
            &format!("{value}\n"),
        );
    }

    /// Value of a sysctl.
    pub fn value(&self, name: &str) -> String {
        let path = self.path(&format!("proc/sys/net/netfilter/{name}"));
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// The kernel's number for the time since it was started.
    pub fn boot_is(&self, id: &str) {
        self.write("proc/sys/kernel/random/boot_id", id);
    }

    /// The machine has been started anew, and the first namespace has another number.
    pub fn reboot(&self) {
        self.boot_is("b");
        let [first, own] = ["proc/1/ns/net", "proc/thread-self/ns/net"].map(|it| self.path(it));
        fs::write(self.path("proc/1/ns/new"), "").unwrap();
        fs::rename(self.path("proc/1/ns/new"), &first).unwrap();
        fs::remove_file(&own).unwrap();
        fs::hard_link(first, own).unwrap();
    }

    /// Old values are remembered.
    pub fn remembers(&self) -> bool {
        self.path("var/lib/tracker/applied.json").exists()
    }

    /// All files, what is in them, and who may read and write them.
    pub fn files(&self) -> BTreeMap<PathBuf, (u32, String)> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files
    }

    /// The plan that is applied from now on.
    pub fn write_plan(&self, plan: &Value) {
        self.write_text(&plan.to_string());
    }

    /// The same, of a file that may be none.
    pub fn write_text(&self, text: &str) {
        fs::write(&self.plan, text).unwrap();
    }

    /// Applies the plan: what is said, after the exit status is as expected.
    pub fn apply(&self, words: &[&str], code: i32) -> String {
        said(&self.run("apply", words, ""), words, code)
    }

    /// Goes back: likewise.
    pub fn rollback(&self, words: &[&str], code: i32) -> String {
        said(&self.run("rollback", words, ""), words, code)
    }

    /// Starts what a guard leaves behind, for what is remembered now; with its lifeline.
    pub fn dead_man(&self) -> (Child, ChildStdin) {
        self.dead_man_with("")
    }

    /// The same, with a fault, after the guard is gone.
    pub fn dead_man_meets(&self, fault: &str) -> Output {
        let (waiting, lifeline) = self.dead_man_with(fault);
        drop(lifeline);
        waiting.wait_with_output().unwrap()
    }

    fn dead_man_with(&self, fault: &str) -> (Child, ChildStdin) {
        let text = fs::read_to_string(self.path("var/lib/tracker/applied.json")).unwrap();
        let state: Value = serde_json::from_str(&text).unwrap();
        let mut waiting = Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["rollback", "--dead-man", state["id"].as_str().unwrap()])
            .arg("--root")
            .arg(self.folder.path())
            .env("TRACKER_FAULT", fault)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let stdout = waiting.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        let lifeline = waiting.stdin.take().unwrap();
        (waiting, lifeline)
    }

    /// Runs a command with a fault, such as `kill@3`.
    pub fn run(&self, command: &str, words: &[&str], fault: &str) -> Output {
        let mut run = self.command(command, words);
        run.env("TRACKER_FAULT", fault).output().unwrap()
    }

    /// A command on this machine.
    pub fn command(&self, command: &str, words: &[&str]) -> Command {
        let mut run = Command::new(env!("CARGO_BIN_EXE_tracker"));
        run.arg(command).arg("--root").arg(self.folder.path());
        if command == "apply" {
            run.arg(&self.plan);
        }
        run.args(words);
        run
    }
}

fn said(done: &Output, words: &[&str], code: i32) -> String {
    let said = [&done.stdout[..], &done.stderr[..]].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(done.status.code(), Some(code), "{words:?}: {said}");
    said
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, (u32, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let mode = path.metadata().unwrap().permissions().mode();
            files.insert(path, (mode, text));
        }
    }
}

/// A plan that lowers, raises, sizes and keeps.
pub fn plan(machine: &Machine) -> Value {
    let setting = |name: &str, current: u64, recommended: u64, action: &str| {
        json!({
            "name": format!("net.netfilter.{name}"), "current": current, "recommended": recommended,
            "action": action, "reason": "seen", "entries_saved": 0,
            "evidence": {
                "connections": 90_000, "exceedances": 0, "harm_upper_95": 3.3e-5, "max_gap_s": 0.3,
                "worst_stratum": null,
            },
        })
    };
    json!({
        "schema_version": 2, "policy": "balanced", "max_harm": 1e-4,
        "machine": { "id": identity(&Root::at(machine.path(""))), "host": "gateway" },
        "kernel": "6.12", "scope": "host", "namespaces": [{ "inum": 1, "name": "host" }],
        "observed": {
            "hosts": ["gateway"], "duration_s": 900.0, "inserts": 90_000, "deaths": 90_000,
            "count_mean": 5000.0, "count_peak": 6000, "little_mean": 5000.0,
        },
        "settings": [
            setting(TIME_WAIT, 120, 60, "lower"),
            setting(UDP, 30, 45, "raise"),
            setting("nf_conntrack_max", 8192, 16_384, "raise"),
            setting("nf_conntrack_buckets", 8192, 16_384, "raise"),
            setting("nf_conntrack_icmp_timeout", 30, 30, "keep"),
        ],
        "table": {
            "max": 16_384, "buckets": 16_384, "memory_bytes": 1, "current_max": 8192,
            "current_buckets": 8192, "current_memory_bytes": 1, "needed": 16_000, "chain_mean": 1.0,
            "flood": [],
        },
        "predicted": {
            "count_mean": 4000.0, "count_p99": 4500, "count_peak": 5000, "overdue_s": 1.0,
            "little_mean": 4000.0,
        },
        "guard": {
            "max_harm": 1e-4, "inserts_per_s": 100.0, "pickups_per_s": 0.0, "returns_per_s": 0.0,
            "early_drop_per_s": 0.0, "drop_per_s": 0.0, "insert_failed_per_s": 0.0,
        },
        "warnings": [],
    })
}
