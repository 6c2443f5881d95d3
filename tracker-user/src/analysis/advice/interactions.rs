//! What else a change touches.

use tracker_common::{Proto, Timer};

use super::{Action, Setting, Warning, policy, scene::Scene};
use crate::settings::Name;

/// TCP's keepalives begin so late (tcp(7)), in seconds.
const KEEPALIVE: u64 = 7_200;
/// Settings that give each entry an extension.
const EXTENSIONS: [&str; 3] = [
    "nf_conntrack_acct",
    "nf_conntrack_timestamp",
    "nf_conntrack_events",
];
/// `nf_conntrack_events`: entries made while somebody listens have the extension; 1 is all of them.
const ON_DEMAND: u64 = 2;
/// Timers that kube-proxy sets.
const PROXYS: [Timer; 4] = [
    Timer::TcpEstablished,
    Timer::TcpCloseWait,
    Timer::Udp,
    Timer::UdpStream,
];

/// Warnings about what a plan changes.
pub fn warnings(scene: &Scene<'_>, timers: &[(Timer, Setting)], sizes: &[Setting]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let below = below_standard(timers);
    if !below.is_empty() {
        warnings.push(Warning::BelowStandard(below));
    }
    if !scene.recordings.is_empty() && scene.all.longest < 86_400.0 {
        warnings.push(Warning::NotADay(scene.all.longest));
    }
    let larger = larger_entries(scene);
    if !larger.is_empty() {
        warnings.push(Warning::LargerEntries(larger));
    }
    let changed = |it: &Setting| it.action != Action::Keep;
    let changes: Vec<&(Timer, Setting)> = timers.iter().filter(|it| changed(&it.1)).collect();
    if !changes.is_empty() {
        warnings.extend([Warning::NextRefresh, Warning::PerNamespace]);
    }
    if !changes.is_empty() || sizes.iter().any(changed) {
        warnings.push(Warning::AppliedTooEarly);
    }
    let sets_max = sizes
        .iter()
        .any(|it| changed(it) && it.name == Name::Max.full());
    if sets_max || changes.iter().any(|it| PROXYS.contains(&it.0)) {
        warnings.push(Warning::Overwritten);
    }
    let lowered = |it: &&&(Timer, Setting)| it.1.action == Action::Lower;
    let mut lowered = changes.iter().filter(lowered).copied();
    if lowered.any(|(timer, it)| {
        *timer == Timer::TcpEstablished && it.recommended < KEEPALIVE && it.current >= KEEPALIVE
    }) {
        warnings.push(Warning::BelowKeepalive);
    }
    if scene.is_strict() && scene.all.counters.inserts[Proto::Tcp.id()] > 0 {
        warnings.push(Warning::NoPickups);
    }
    warnings
}

/// Timers of connections that were seen which stay below what RFCs ask of a NAT.
fn below_standard(timers: &[(Timer, Setting)]) -> Vec<&'static str> {
    timers
        .iter()
        .filter(|(timer, setting)| {
            let seen = setting.evidence.connections > 0;
            seen && policy::standard(*timer)
                .is_some_and(|it| it.raises && setting.recommended < it.floor.seconds)
        })
        .map(|(timer, _)| timer.name())
        .collect()
}

/// Settings that make each entry larger.
fn larger_entries(scene: &Scene<'_>) -> Vec<&'static str> {
    let is_on = |name: &&str| {
        let value = scene.all.sysctls.get(*name).copied().flatten();
        value.is_some_and(|it| it > 0 && it < ON_DEMAND)
    };
    EXTENSIONS.into_iter().filter(is_on).collect()
}
