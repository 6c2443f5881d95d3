//! The table is the whole machine's: its size changes only as far as a scenario needs it, and not where the machine does.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use tracker_user::lab::net::tool;

use crate::cases::errors::{CANNOT_OBSERVE, refused, says};
use crate::cases::tracker::{finish, program};
use crate::lab::Before;

/// Entries of the machine's own: more than a quarter of the table that is to get full.
const OWN: u64 = 3;
const FULL: u64 = 8;

/// A file that fills its table is refused beside the machine's own entries; one that does not leaves the size alone.
pub fn size() -> Result<()> {
    let before = Before::look()?;
    let conntrack = tool("conntrack")?;
    for port in 1..=OWN {
        conntrack.run(&format!(
            "-I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport {port} --dport 9 -t 600"
        ))?;
    }
    let full = write("full", 4 * FULL)?;
    let done = refused(&mut lab(&full), CANNOT_OBSERVE)?;
    says(
        &done,
        &[&format!(
            "tracks {OWN} connections of its own, too many for a table of {FULL}"
        )],
    )?;
    before.is_back()?;
    let fits = write("fits", FULL / 2)?;
    ensure!(
        !said(&fits)?.contains("nf_conntrack_"),
        "the size was changed"
    );
    conntrack.run("-F")?;
    let said = said(&full)?;
    ensure!(
        said.contains(&format!(
            "this machine's nf_conntrack_max is {FULL} instead of"
        )),
        "{said}"
    );
    before.is_back()
}

fn lab(file: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(["lab", "run"]).arg(file);
    command
}

/// What a run says on stderr; it must come to its end.
fn said(file: &Path) -> Result<String> {
    let done = finish(&mut lab(file))?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    ensure!(done.status.success(), "{}: {said}", done.status);
    Ok(said)
}

/// A scenario of so many datagrams.
fn write(name: &str, datagrams: u64) -> Result<std::path::PathBuf> {
    let path = Path::new("/tmp").join(format!("lab_size_{name}.toml"));
    let text = format!(
        "description = 'datagrams'
        duration = '1s'
        [settings]
        max = {FULL}
        [[population]]
        name = 'datagrams'
        proto = 'udp'
        arrival = {{ burst = {datagrams} }}
        clients = 50
        ports = 53
        script = ['datagram']"
    );
    fs::write(&path, text)?;
    Ok(path)
}
