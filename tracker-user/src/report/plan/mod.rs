//! `tracker recommend`: a plan in the format of who reads it. A format is a file here.

mod json;
mod markdown;
mod sysctl;
mod table;

use super::Style;
use crate::{
    analysis::advice::{Action, Plan, Setting},
    units,
};

/// Format of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// A file for `sysctl -p` or /etc/sysctl.d.
    Sysctl,
    /// For a ticket or a wiki.
    Markdown,
}

/// A way to write a plan.
trait Renderer {
    fn render(&self, plan: &Plan, style: Style) -> String;
}

/// The plan in a format. Only [`Format::Table`] heeds the style.
#[must_use]
pub fn render(plan: &Plan, format: Format, style: &Style) -> String {
    let renderer: &dyn Renderer = match format {
        Format::Table => &table::Table,
        Format::Json => &json::Json,
        Format::Sysctl => &sysctl::Sysctl,
        Format::Markdown => &markdown::Markdown,
    };
    renderer.render(plan, *style)
}

/// A value with its unit.
fn value(setting: &Setting, value: u64) -> String {
    if setting.is_timer {
        units::whole(value)
    } else {
        units::grouped(value)
    }
}

/// What a setting saves, as a signed number; empty if nothing.
fn saving(setting: &Setting) -> String {
    match setting.entries_saved {
        0 => String::new(),
        saved if saved > 0 => units::count(saved.unsigned_abs()),
        added => format!("-{}", units::count(added.unsigned_abs())),
    }
}

/// Short name, as the sysctl's last part.
fn short(setting: &Setting) -> &str {
    setting.name.rsplit('.').next().unwrap_or(&setting.name)
}

/// Settings that are worth a line for a person: what changes, and what was seen.
fn worth_showing(plan: &Plan) -> impl Iterator<Item = &Setting> {
    plan.settings
        .iter()
        .filter(|it| it.action != Action::Keep || it.evidence.connections > 0)
}

/// What the plan rests on, in a line.
fn basis(plan: &Plan) -> String {
    format!(
        "{} watched for {}: {} inserted, {} destroyed, {} entries on average, {} at most. Policy {}, at most {:e} of all connections may be harmed.",
        if plan.observed.hosts.is_empty() {
            "nothing".to_owned()
        } else {
            plan.observed.hosts.join(", ")
        },
        units::seconds(plan.observed.duration_s),
        units::count(plan.observed.inserts),
        units::count(plan.observed.deaths),
        units::count(plan.observed.count_mean.round() as u64),
        units::count(plan.observed.count_peak),
        match plan.policy {
            crate::analysis::advice::Policy::Rfc => "rfc",
            crate::analysis::advice::Policy::Balanced => "balanced",
            crate::analysis::advice::Policy::Host => "host",
        },
        plan.max_harm
    )
}

/// What follows, in a line.
fn outlook(plan: &Plan) -> String {
    let max = match plan.table.max {
        0 => "an unlimited table".to_owned(),
        max => format!("a table of {}", units::grouped(max)),
    };
    format!(
        "Predicted: {} entries on average, {} at the peak, in {max} with {} buckets that takes {} when full.",
        units::count(plan.predicted.count_mean.round() as u64),
        units::count(plan.predicted.count_peak),
        units::grouped(plan.table.buckets),
        units::bytes(plan.table.memory_bytes)
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        analysis::advice::{Request, plan},
        recording::synthetic::Synthetic,
    };
    use tracker_common::{Proto, State, Timer};

    /// A plan that lowers, raises and keeps.
    pub fn example() -> Plan {
        let mut source = Synthetic::new();
        let host = source.host();
        host.insert(Proto::Tcp, 90_000);
        host.insert(Proto::Udp, 5_000);
        host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 90_000, 120.0);
        host.expire(State::UdpReplied, Timer::Udp, 4_500, 35.0);
        host.max_gap(Timer::TcpTimeWait, 90_000, 0.3);
        host.max_gap(Timer::TcpEstablished, 90_000, 45.0);
        host.max_gap(Timer::Udp, 5_000, 29.0);
        host.count(13_000);
        plan(&[source.recording(900)], &Request::default())
    }

    #[test]
    fn every_format_ends_with_a_line_end() {
        for format in [
            Format::Table,
            Format::Json,
            Format::Sysctl,
            Format::Markdown,
        ] {
            let text = render(&example(), format, &Style::default());
            assert!(
                text.ends_with('\n') && !text.ends_with("\n\n"),
                "{format:?}: {text}"
            );
        }
    }
}
