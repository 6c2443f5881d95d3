//! The lab sends in its own namespaces and on a veth, or not at all.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use tracker_user::lab::net::{END, Held, Namespace, NetError, Settings, Size, Topology};
use tracker_user::lab::send::{SendError, Wire, allowed_in};

use crate::cases::errors::{CANNOT_OBSERVE, refused, says};
use crate::cases::tracker::program;
use crate::lab::Hidden;

/// Tries all that has to be refused, and what has to be allowed.
pub fn refuses() -> Result<()> {
    let topology = Topology::create(&Settings::default())?;
    Wire::open(&topology.client, END)?;

    // A wire cannot even be asked for there.
    let own = Namespace::at("own", [PathBuf::from("/proc/self/ns/net")]);
    let first = allowed_in(&own);
    ensure!(
        matches!(
            first,
            Err(SendError::NotOurs {
                what: "the machine's first"
            })
        ),
        "in the first namespace: {first:?}"
    );

    let other = Held::create("other")?;
    for name in ["lo", END] {
        // Its name makes no interface a veth.
        other.ip(&format!(
            "link set lo down\nlink set lo name {name}\nlink set {name} up\n"
        ))?;
        let looped = Wire::open(&other, name);
        ensure!(
            matches!(looped, Err(SendError::NotVeth { .. })),
            "on the loopback as {name}: {looped:?}"
        );
    }

    let sized = Settings {
        max: Some(Size::Exactly(5000)),
        ..Settings::default()
    };
    let first = Topology::create(&sized)?;
    let second = Topology::create(&sized);
    ensure!(
        matches!(second, Err(NetError::Busy)),
        "beside one that has set the table's size: {second:?}"
    );
    drop(first);
    Topology::create(&sized)?;
    Ok(())
}

/// Without a program that it needs, the lab says so before it makes anything.
pub fn without_tools() -> Result<()> {
    for name in ["ip", "nft"] {
        let _hidden = Hidden::program(name)?;
        let mut lab = Command::new(program());
        let done = refused(lab.args(["lab", "run", "dns"]), CANNOT_OBSERVE)?;
        says(&done, &[&format!("{name} is not here"), "Install it"])?;
    }
    Ok(())
}
