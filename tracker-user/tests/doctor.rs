//! `tracker doctor` on the files of a machine.
#![expect(
    clippy::unwrap_used,
    reason = "without its machine a test has nothing to say"
)]

use std::{fs, path::Path, process::Command};

use serde_json::Value;

fn doctor(root: &Path, code: i32) -> (String, Value) {
    let run = |words: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["doctor", "--root"])
            .arg(root)
            .args(words)
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        assert_eq!(done.status.code(), Some(code), "{said}");
        said
    };
    let json = run(&["--json"]);
    (run(&[]), serde_json::from_str(&json).unwrap())
}

#[test]
fn owners_and_old_names_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("proc/sys/kernel/osrelease", "6.12\n"),
        ("proc/sys/kernel/hostname", "node\n"),
        ("proc/meminfo", "MemTotal: 1000000 kB\n"),
        ("sys/devices/system/cpu/possible", "0\n"),
        ("proc/modules", "nf_conntrack 180224 1 nft_ct, Live 0x0\n"),
        ("proc/7/cmdline", "/bin/kube-proxy\0"),
        ("proc/sys/net/netfilter/nf_conntrack_count", "5\n"),
        ("proc/sys/net/netfilter/nf_conntrack_max", "8192\n"),
        ("proc/sys/net/netfilter/nf_conntrack_buckets", "8192\n"),
        (
            "etc/sysctl.d/50-x.conf",
            "net.netfilter.nf_conntrack_max = 5000\n",
        ),
        ("etc/rc.local", "sysctl -w net.ipv4.ip_conntrack_max=4096\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // Without symbols and types nothing can be watched.
    let (said, json) = doctor(folder.path(), 3);
    for part in [
        "node cannot be watched by you",
        "a module, loaded; 5 connections are tracked",
        "5 of 8,192 entries",
        "/etc/sysctl.d/50-x.conf sets nf_conntrack_max to 5000, but it is 8192",
        "modules-load.d",
        "kube-proxy runs here (kube-proxy)",
        "/etc/rc.local:1 names net.ipv4.ip_conntrack_max",
        "it is called net.netfilter.nf_conntrack_max now",
    ] {
        assert!(said.contains(part), "no {part}:\n{said}");
    }
    assert_eq!(json["can_observe"], false);
    assert_eq!(json["owners"]["kube_proxy"], "kube-proxy");
    assert_eq!(json["table"]["max"], 8192);
    assert_eq!(json["legacy"][0]["line"], 1);
}

#[test]
fn a_captured_kernel_offers_its_hooks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kernels/6.12");
    let (said, json) = doctor(&root, 0);
    assert!(said.contains("should let itself be watched"), "{said}");
    assert!(said.contains("fentry __nf_conntrack_hash_insert"), "{said}");
    assert_eq!(json["offers"][1]["event"], "insert");
}
