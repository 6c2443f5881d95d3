//! What runs on this machine.

use std::fs;

use crate::kernel::Root;

/// Command lines of all processes that the caller can see, in words; kernel threads have none.
pub fn commands(root: &Root) -> Vec<Vec<String>> {
    let Ok(entries) = fs::read_dir(root.path("proc")) else {
        return Vec::new();
    };
    let pids = entries
        .filter_map(|it| it.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|it| it.is_ascii_digit()));
    pids.filter_map(|pid| {
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
