//! What runs on this machine.

use std::{fs, os::unix::fs::MetadataExt};

use crate::kernel::Root;

/// Command lines, in words, of all processes in the network namespace of process 1 that the caller can see;
/// kernel threads have none. One whose namespace is not shown counts.
pub fn commands(root: &Root) -> Vec<Vec<String>> {
    let netns = |pid: &str| {
        let path = root.path(format!("proc/{pid}/ns/net"));
        path.metadata().map(|it| it.ino()).ok()
    };
    let own = netns("1");
    let is_here = |pid: &str| own.is_none() || netns(pid).is_none_or(|it| Some(it) == own);
    let Ok(entries) = fs::read_dir(root.path("proc")) else {
        return Vec::new();
    };
    let pids = entries
        .filter_map(|it| it.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|it| it.is_ascii_digit()));
    pids.filter(|pid| is_here(pid))
        .filter_map(|pid| {
            let line = root.bytes(format!("proc/{pid}/cmdline")).ok()?;
            let words: Vec<String> = line
                .split(|&byte| byte == 0)
                .filter(|word| !word.is_empty())
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            (!words.is_empty()).then_some(words)
        })
        .collect()
}

/// Name of the program that a command line runs, without its folder.
pub fn program(command: &[String]) -> Option<&str> {
    command.first()?.rsplit('/').next()
}
