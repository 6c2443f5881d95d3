//! GRE, SCTP, and a protocol that the kernel has no tracker for.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Case, measured};
use crate::net::SERVER4;
use crate::traffic::{Stage, TrafficError};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        measured("gre", gre),
        measured("generic", generic),
        measured("sctp", sctp),
    ]
}

/// GRE's number.
const GRE: i32 = 47;
/// A number that is kept for experiments.
const EXPERIMENT: i32 = 253;
/// A port for SCTP.
const DIAMETER: u16 = 3868;

fn gre(stage: &mut Stage) -> Result<(), TrafficError> {
    let raw = stage.raw(GRE)?;
    let at = stage.exchange_raw(&raw, false)?;
    let entry = stage.insert("gre", 0, at, "gre_unreplied", "gre_timeout");
    stage.pause_s(3)?;
    let at = stage.exchange_raw(&raw, true)?;
    stage.refresh(entry, at, "gre_unreplied", "gre_timeout");
    stage.refresh(entry, at, "gre_replied", "gre_timeout");
    for pause in [2, 5] {
        stage.pause_s(pause)?;
        let at = stage.exchange_raw(&raw, true)?;
        stage.refresh(entry, at, "gre_stream", "gre_timeout_stream");
        stage.refresh(entry, at, "gre_stream", "gre_timeout_stream");
    }
    stage.settle()
}

fn generic(stage: &mut Stage) -> Result<(), TrafficError> {
    let raw = stage.raw(EXPERIMENT)?;
    let at = stage.exchange_raw(&raw, false)?;
    let entry = stage.insert("other", 0, at, "generic", "generic_timeout");
    for pause in [2, 6] {
        stage.pause_s(pause)?;
        let at = stage.exchange_raw(&raw, true)?;
        stage.refresh(entry, at, "generic", "generic_timeout");
        stage.refresh(entry, at, "generic", "generic_timeout");
    }
    // The kernel inlines what handles these packets: nothing shows their gaps, which is said once an entry.
    stage.without_gaps(entry, &[("unobserved", 1)]);
    stage.settle()
}

fn sctp(stage: &mut Stage) -> Result<(), TrafficError> {
    let kind = Some(Protocol::from(nix::libc::IPPROTO_SCTP));
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, kind);
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| TrafficError::Socket { what, source }
    };
    let to = SocketAddr::from((SERVER4, DIAMETER));
    let listener = stage.topology.server.run(|| {
        let made = socket()?;
        made.bind(&to.into())?;
        made.listen(4)?;
        Ok(made)
    })?;
    let listener = listener.map_err(failed("SCTP port"))?;
    let client = stage
        .topology
        .client
        .run(socket)?
        .map_err(failed("SCTP socket"))?;

    let at = stage.clock.align()?;
    client.connect(&to.into()).map_err(failed("SCTP connect"))?;
    let (server, _) = listener.accept().map_err(failed("SCTP accept"))?;
    stage.clock.same_jiffy(at, "an SCTP handshake")?;
    let entry = stage.insert("sctp", DIAMETER, at, "sctp_closed", "sctp_timeout_closed");
    stage.refresh(entry, at, "sctp_cookie_wait", "sctp_timeout_cookie_wait");
    stage.refresh(
        entry,
        at,
        "sctp_cookie_echoed",
        "sctp_timeout_cookie_echoed",
    );
    stage.refresh(entry, at, "sctp_established", "sctp_timeout_established");

    stage.pause_s(2)?;
    let at = stage.clock.align()?;
    drop(client);
    stage.clock.same_jiffy(at, "an SCTP shutdown")?;
    stage.refresh(
        entry,
        at,
        "sctp_shutdown_sent",
        "sctp_timeout_shutdown_sent",
    );
    stage.refresh(
        entry,
        at,
        "sctp_shutdown_ack_sent",
        "sctp_timeout_shutdown_ack_sent",
    );
    stage.refresh(entry, at, "sctp_closed", "sctp_timeout_closed");
    drop(server);
    stage.settle()
}
