//! Plans that are applied, guarded and taken back, on real sysctls.

mod meets;
mod number;
mod plan;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccompiler::apply_filter;
use tracker_user::lab::clock::Clock;

use self::plan::Plan;
use super::errors::{LOSSES, says, tracking};
use super::faces::poll;
use super::refusals::{no_programs, own_mounts, without};
use super::tracker::{end_with, succeed};
use super::{Case, Kind, PREFIX};
use crate::net::{Netns, SERVER4, Topology};
use crate::traffic::Stage;
use crate::truth::Ledger;

const SECOND: &str = "tracker-other";
const UDP: &str = "nf_conntrack_udp_timeout";
const ESTABLISHED: &str = "nf_conntrack_tcp_timeout_established";
const MAX: &str = "nf_conntrack_max";
const BUCKETS: &str = "nf_conntrack_buckets";
/// A guard that goes back has failed.
const FAILED: i32 = 1;
const INTERRUPTED: i32 = 130;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let free = |name, run| Case {
        name,
        kind: Kind::Free(run),
    };
    vec![
        free("apply_two_namespaces", two_namespaces),
        free("apply_number_given_again", number::given_again),
        free("apply_refused", refused),
        free("apply_guard_keeps", guard_keeps),
        free("apply_guard_goes_back", guard_goes_back),
        free("apply_guard_ended", guard_ended),
        free("apply_guard_meets_others", meets::others),
        free("apply_guard_meets_stop", meets::stop),
        free("apply_guard_meets_full_table", meets::full_table),
        free("apply_guard_meets_foreign_file", meets::foreign_file),
        free("apply_guard_meets_sysctls", meets::sysctls),
    ]
}

fn sysctl(place: &Netns, name: &str) -> Result<u64> {
    Ok(place.sysctl(&format!("net.netfilter.{name}"))?)
}

/// A value of the machine's first namespace, in which the cases run.
fn own(name: &str) -> Result<u64> {
    let text = fs::read_to_string(Path::new("/proc/sys/net/netfilter").join(name))?;
    Ok(text.trim().parse()?)
}

fn is(place: &Netns, name: &str, value: u64) -> Result<()> {
    let found = sysctl(place, name)?;
    ensure!(
        found == value,
        "{}: {name} is {found}, not {value}",
        place.name()
    );
    Ok(())
}

/// Timers of two namespaces and the table's size; then one of the namespaces goes, and something is set by hand.
fn two_namespaces() -> Result<()> {
    let first = tracking()?;
    let second = Topology::create(SECOND)?;
    second.track()?;
    let (max, buckets) = (own(MAX)?, own(BUCKETS)?);
    let plan = Plan::write(
        &[&first.router, &second.router],
        &[
            (UDP, 30, 45),
            (ESTABLISHED, 432_000, 7200),
            (MAX, max, max + 1000),
            // Rounded up as the kernel does.
            (BUCKETS, buckets, buckets + 1000),
        ],
    )?;
    succeed(plan.apply().arg("--buckets"))?;
    for place in [&first.router, &second.router] {
        is(place, UDP, 45)?;
        is(place, ESTABLISHED, 7200)?;
    }
    ensure!(own(MAX)? == max + 1000, "max is {}", own(MAX)?);
    ensure!(
        own(BUCKETS)? == buckets + 1024,
        "buckets are {}",
        own(BUCKETS)?
    );
    first
        .router
        .set_sysctl(&format!("net.netfilter.{ESTABLISHED}"), "9000")?;
    drop(second);
    let said = end_with(&mut plan.rollback(), LOSSES)?;
    ensure!(
        said.contains("gone") && said.contains("somebody else"),
        "{said}"
    );
    is(&first.router, UDP, 30)?;
    is(&first.router, ESTABLISHED, 9000)?;
    succeed(plan.rollback().arg("--force"))?;
    is(&first.router, ESTABLISHED, 432_000)?;
    ensure!(
        (own(MAX)?, own(BUCKETS)?) == (max, buckets),
        "the table's size is not as it was"
    );
    plan.is_forgotten()
}

/// Where sysctls are read-only, or a guard could not watch, nothing is written.
fn refused() -> Result<()> {
    let topology = tracking()?;
    let router = &topology.router;
    let max = own(MAX)?;
    let plan = Plan::write(&[router], &[(UDP, 30, 45), (MAX, max, max + 1000)])?;
    // What may be written is not, if something else may not.
    for (sysctls, name) in [
        ("/proc/sys", UDP),
        ("/proc/sys/net/netfilter/nf_conntrack_max", MAX),
    ] {
        let done = without(move || read_only(sysctls), &mut plan.apply())?;
        says(&done, &[name, "cannot be written", "Read-only"])?;
    }
    let filter = no_programs()?;
    let forbid = move || Ok(apply_filter(&filter)?);
    let done = without(forbid, plan.apply().args(["--guard", "5s"]))?;
    says(&done, &["programs are refused"])?;
    let guard = plan
        .apply()
        .args(["--guard", "5s", "--netns", "tracker-nowhere"])
        .output()?;
    ensure!(
        guard.status.code() == Some(2),
        "an unknown namespace: {}",
        guard.status
    );
    is(router, UDP, 30)?;
    ensure!(own(MAX)? == max, "max is {}", own(MAX)?);
    plan.is_forgotten()
}

/// For the calling thread and what it starts.
fn read_only(sysctls: &str) -> Result<()> {
    own_mounts()?;
    let nothing = None::<&str>;
    mount(Some(sysctls), sysctls, nothing, MsFlags::MS_BIND, nothing)?;
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(nothing, sysctls, nothing, read_only, nothing)?;
    Ok(())
}

/// A guard under way. Dropped before its end, it is killed.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Mostly it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Guard {
    /// Starts one, and waits until a value is written.
    fn start(plan: &Plan, length: &str, place: &Netns, name: &str, value: u64) -> Result<Self> {
        let is_written = || sysctl(place, name).ok().filter(|it| *it == value);
        Self::started(plan.apply().args(["--guard", length]), is_written)
    }

    /// The same, with a command and a value to wait for.
    fn started(command: &mut Command, is_written: impl FnMut() -> Option<u64>) -> Result<Self> {
        let child = command.stdout(Stdio::null()).spawn()?;
        poll("the change", is_written)?;
        Ok(Self(child))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).context("the guard has ended")
    }

    fn end(&mut self) -> Result<ExitStatus> {
        poll("the end of the guard", || self.0.try_wait().ok().flatten())
    }
}

/// Connections that pause for less than the new value allows.
fn guard_keeps() -> Result<()> {
    let topology = tracking()?;
    let router = &topology.router;
    let plan = Plan::write(&[router], &[(UDP, 30, 10)])?;
    let mut guard = Guard::start(&plan, "15s", router, UDP, 10)?;
    let mut stage = Stage::open(PREFIX, Ledger::default())?;
    stage.pause_s(2)?;
    let server = stage.udp_port(53)?;
    let mut flows = Vec::new();
    for _ in 0..20 {
        flows.push(stage.begin_answered(&server, SERVER4.into())?);
    }
    for _ in 0..2 {
        stage.pause_s(4)?;
        for flow in &mut flows {
            stage.ask_and_answer(flow, &server)?;
        }
    }
    let status = guard.end()?;
    ensure!(status.success(), "the guard ended with {status}");
    is(router, UDP, 10)?;
    succeed(&mut plan.rollback())?;
    is(router, UDP, 30)
}

/// Connections that pause for longer than the new value allows, and go on: TCP's show as entries that begin in their
/// middle, UDP's only by that they come back.
fn guard_goes_back() -> Result<()> {
    let topology = tracking()?;
    let router = &topology.router;
    let seconds = |number| Duration::from_secs(number);
    for (name, before, talk) in [
        (
            ESTABLISHED,
            432_000,
            Talk::tcp as fn(&Topology) -> Result<Talk>,
        ),
        (UDP, 30, Talk::udp),
    ] {
        let plan = Plan::write(&[router], &[(name, before, 3)])?;
        let mut guard = Guard::start(&plan, "10m", router, name, 3)?;
        let clock = Clock::calibrate()?;
        let talks = (0..10)
            .map(|_| talk(&topology))
            .collect::<Result<Vec<_>>>()?;
        clock.until(clock.now()? + clock.jiffies(seconds(9)))?;
        talks.iter().try_for_each(Talk::go_on)?;
        let status = guard.end()?;
        ensure!(
            status.code() == Some(FAILED),
            "{name}: the guard ended with {status}"
        );
        is(router, name, before)?;
        plan.is_forgotten()?;
    }
    Ok(())
}

/// A connection that has begun.
enum Talk {
    Tcp(TcpStream, TcpStream),
    Udp(UdpSocket),
}

impl Talk {
    fn tcp(topology: &Topology) -> Result<Self> {
        let listener = topology.server.run(|| TcpListener::bind((SERVER4, 0)))??;
        let to = listener.local_addr()?;
        let client = topology.client.run(|| TcpStream::connect(to))??;
        let (server, _) = listener.accept()?;
        Ok(Self::Tcp(client, server))
    }

    fn udp(topology: &Topology) -> Result<Self> {
        let server = topology.server.run(|| UdpSocket::bind((SERVER4, 0)))??;
        let client = topology
            .client
            .run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))??;
        client.connect(server.local_addr()?)?;
        client.send(b"question")?;
        let (_, from) = server.recv_from(&mut [0; 16])?;
        server.send_to(b"answer", from)?;
        client.recv(&mut [0; 16])?;
        Ok(Self::Udp(client))
    }

    fn go_on(&self) -> Result<()> {
        match self {
            Self::Tcp(client, _server) => (&mut &*client).write_all(b"again")?,
            Self::Udp(client) => _ = client.send(b"again")?,
        }
        Ok(())
    }
}

/// However a guard ends before its time, its change is taken back.
fn guard_ended() -> Result<()> {
    let topology = tracking()?;
    let router = &topology.router;
    for (signal, code) in [
        (Signal::SIGTERM, Some(INTERRUPTED)),
        (Signal::SIGINT, Some(INTERRUPTED)),
        (Signal::SIGHUP, Some(INTERRUPTED)),
        (Signal::SIGKILL, None),
    ] {
        let plan = Plan::write(&[router], &[(UDP, 30, 45)])?;
        let mut guard = Guard::start(&plan, "10m", router, UDP, 45)?;
        guard.signal(signal)?;
        let status = guard.end()?;
        ensure!(
            status.code() == code,
            "{signal}: the guard ended with {status}"
        );
        poll("the old value", || {
            sysctl(router, UDP).ok().filter(|it| *it == 30)
        })?;
        poll("the end of the rollback", || {
            (!plan.state.exists()).then_some(())
        })?;
    }
    Ok(())
}
