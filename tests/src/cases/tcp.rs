//! TCP: openings, gaps, and all the ways to end.

use std::time::Duration;

use super::{Case, Measured, alone, measured};
use crate::net::SERVER4;
use crate::traffic::{Side, Stage, TrafficError};
use crate::truth::Reason;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let short_lived = Measured {
        before: shorten,
        ..Measured::new(expired_established)
    };
    vec![
        measured("tcp_lifecycle", lifecycle),
        measured("tcp_ipv6", ipv6),
        measured("tcp_half_close", half_close),
        measured("tcp_syn_timeout", syn_timeout),
        measured("tcp_reset_before_reply", reset_before_reply),
        measured("tcp_reset_established", reset_established),
        measured("tcp_reopened", reopened),
        measured("tcp_pickup", pickup),
        measured("deleted", deleted),
        alone("expired_established", short_lived),
    ]
}

pub(super) fn lifecycle(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(stage.connect(&listener)?);
    }
    for pause in [2, 5, 11] {
        stage.pause_s(pause)?;
        for conn in &mut open {
            stage.send(conn, Side::Client)?;
            stage.send(conn, Side::Server)?;
        }
    }
    stage.pause_s(3)?;
    for (number, conn) in open.into_iter().enumerate() {
        let first = if number % 2 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        let pause = if number % 4 < 2 {
            Duration::ZERO
        } else {
            Duration::from_millis(800)
        };
        stage.close(conn, first, pause)?;
    }
    stage.settle()
}

fn ipv6(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(8080)?;
    for pause in [1, 7] {
        let mut conn = stage.connect6(&listener)?;
        stage.pause_s(pause)?;
        stage.send(&mut conn, Side::Client)?;
        stage.pause_s(pause)?;
        stage.close(conn, Side::Server, Duration::from_millis(100))?;
    }
    stage.settle()
}

fn half_close(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let mut conn = stage.connect(&listener)?;
    stage.pause_s(1)?;
    stage.finish(&mut conn, Side::Client)?;
    for pause in [4, 13] {
        stage.pause_s(pause)?;
        stage.send(&mut conn, Side::Server)?;
    }
    stage.pause_s(6)?;
    stage.finish(&mut conn, Side::Server)?;
    stage.settle()
}

fn syn_timeout(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push(stage.call_nobody(80)?);
    }
    // Long enough for several retransmits, none of which may count as a refresh.
    stage.pause_s(9)?;
    drop(calls);
    stage.settle()
}

fn reset_before_reply(stage: &mut Stage) -> Result<(), TrafficError> {
    for _ in 0..10 {
        stage.refused(81)?;
    }
    stage.settle()
}

fn reset_established(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    for pause in [1, 2, 3] {
        let conn = stage.connect(&listener)?;
        stage.pause_s(pause)?;
        stage.reset(conn)?;
    }
    stage.settle()
}

fn reopened(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let mut last = None;
    for _ in 0..4 {
        let conn = stage.connect_from(&listener, SERVER4.into(), 40_000)?;
        if let Some(entry) = last {
            let at = stage.ledger.entries[conn.entry].steps[0].at;
            stage.kill(entry, at, Reason::Reopened);
        }
        last = Some(conn.entry);
        stage.pause_s(2)?;
        // The server closes first, so that the client's port is free again at once.
        stage.close(conn, Side::Server, Duration::ZERO)?;
        stage.pause_s(5)?;
    }
    stage.settle()
}

fn pickup(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let mut conn = stage.connect(&listener)?;
    stage.pause_s(2)?;
    let at = stage.delete("-D -p tcp")?;
    stage.kill(conn.entry, at, Reason::Deleted);
    stage.pause_s(3)?;
    stage.pick_up(&mut conn)?;
    stage.pause_s(4)?;
    stage.send(&mut conn, Side::Client)?;
    stage.pause_s(5)?;
    stage.send(&mut conn, Side::Server)?;
    stage.close(conn, Side::Client, Duration::ZERO)?;
    stage.settle()
}

pub(super) fn deleted(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(stage.connect(&listener)?);
    }
    stage.pause_s(2)?;
    for what in ["-D -p tcp --dport 80", "-F"] {
        let at = stage.delete(what)?;
        for conn in open.drain(..) {
            stage.kill(conn.entry, at, Reason::Deleted);
            stage.abandon(conn)?;
        }
        for _ in 0..3 {
            open.push(stage.connect(&listener)?);
        }
        stage.pause_s(1)?;
    }
    for conn in open {
        stage.reset(conn)?;
    }
    stage.settle()
}

/// Shorter than the timer of data on its way, which then is never armed.
fn shorten(stage: &mut Stage) -> Result<(), TrafficError> {
    stage.set_timeouts(&[("tcp_timeout_established", 25)])
}

fn expired_established(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut conn = stage.connect(&listener)?;
        stage.pause_s(3)?;
        stage.send(&mut conn, Side::Server)?;
        open.push(conn);
    }
    stage.settle()?;
    open.into_iter().try_for_each(|conn| stage.abandon(conn))
}
