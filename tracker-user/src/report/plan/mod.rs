//! `tracker recommend`: a plan in the format of who reads it. A format is a file here.

mod json;
mod kube_proxy;
mod markdown;
mod modprobe;
mod sysctl;
mod table;

use super::Style;
use crate::{
    analysis::advice::{Action, FloodKind, Plan, Setting},
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
    /// A part of kube-proxy's configuration, for what it would overwrite.
    KubeProxy,
    /// A file for /etc/modprobe.d, for what is loaded later than sysctl.d is read.
    Modprobe,
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
        Format::KubeProxy => &kube_proxy::KubeProxy,
        Format::Modprobe => &modprobe::Modprobe,
    };
    renderer.render(plan, *style)
}

/// Width of a comment in a file.
const WIDTH: Style = Style {
    width: Some(96),
    colour: false,
};

/// A configuration file's beginning: what it is, and what it rests on.
fn heading(plan: &Plan) -> String {
    let mut text = String::new();
    comment(&mut text, "Connection tracking, as recommended by tracker.");
    comment(&mut text, &basis(plan));
    text
}

/// Adds what an operator must know, as comments.
fn warn(text: &mut String, plan: &Plan) {
    for warning in &plan.warnings {
        comment(text, &format!("- {warning}"));
    }
}

/// Adds a comment of a configuration file.
fn comment(text: &mut String, body: &str) {
    for line in WIDTH.paragraph(body, 2).lines() {
        text.push_str("# ");
        text.push_str(line);
        text.push('\n');
    }
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
    units::signed(setting.entries_saved)
}

/// Entries that a timer keeps in the table; empty of what is no timer.
fn holding(setting: &Setting) -> String {
    let mean = setting.occupancy.map(|it| it.mean.round() as u64);
    mean.map_or_else(String::new, units::count)
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
    if plan.table.current_max.is_none() {
        return "The table's size could not be read, so nothing is predicted of it.".to_owned();
    }
    let max = match plan.table.max {
        0 => "an unlimited table".to_owned(),
        max => format!("a table of {}", units::grouped(max)),
    };
    let peak = units::count(plan.predicted.count_peak);
    let peak = match plan.namespaces.len() {
        0 | 1 => format!("{peak} at the peak, in {max}"),
        number => format!(
            "{peak} at the peak of all {number} namespaces and {} of the largest, each in {max},",
            units::count(plan.table.largest_peak)
        ),
    };
    let mut text = format!(
        "Predicted: {} entries on average, {peak} with {} buckets{}. \
         By Little's law {} were there on average during the watch; {} were counted{}.",
        units::count(plan.predicted.count_mean.round() as u64),
        units::grouped(plan.table.buckets),
        plan.table.memory_bytes.map_or_else(String::new, |it| {
            format!(" that takes {} when full", units::bytes(it))
        }),
        units::count(plan.observed.little_mean.round() as u64),
        units::count(plan.observed.count_mean.round() as u64),
        if plan.observed.little_mean < plan.observed.count_mean * 0.9 {
            ", with entries older than the watch"
        } else {
            ""
        },
    );
    let syns = plan.table.flood.iter().find(|it| it.kind == FloodKind::Syn);
    let rates = syns.and_then(|it| it.rate_before_per_s.zip(it.rate_after_per_s));
    if let Some((before, after)) = rates {
        text.push_str(&format!(
            " {} unanswered SYNs a second fill it beside the peak; before, {}.",
            units::rate(after),
            units::rate(before)
        ));
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        analysis::advice::{Request, plan},
        recording::synthetic::{Space, Synthetic},
    };
    use tracker_common::{Proto, State, Timer, layout::HistogramId};

    /// A plan that lowers, raises and keeps.
    pub fn example() -> Plan {
        let mut source = Synthetic::new();
        let host = source.host();
        host.insert(Proto::Tcp, 90_000);
        host.insert(Proto::Udp, 5_000);
        host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 90_000, 120.0);
        host.expire(State::UdpReplied, Timer::Udp, 4_500, 35.0);
        for _ in 0..45 {
            host.histogram(HistogramId::Return(Timer::Udp))
                .add(36_000_000);
        }
        host.max_gap(Timer::TcpTimeWait, 90_000, 0.3);
        host.max_gap(Timer::TcpEstablished, 90_000, 45.0);
        host.max_gap(Timer::Udp, 5_000, 29.0);
        host.count(13_000);
        plan(&[source.recording(900)], &Request::default())
    }

    #[test]
    fn the_peak_of_all_namespaces_is_not_put_into_the_table_of_one() {
        let mut source = Synthetic::new();
        source.namespaces.push(Space::new(9, "blue"));
        for (namespace, entries) in source.namespaces.iter_mut().zip([4_000, 9_000]) {
            namespace.insert(Proto::Udp, entries);
        }
        let plan = plan(&[source.recording(900)], &Request::default());
        let text = outlook(&plan);
        assert!(
            text.contains(
                "13,000 at the peak of all 2 namespaces and 9,000 of the largest, \
                 each in a table of 65,536, with 65,536 buckets"
            ),
            "{text}"
        );
    }

    #[test]
    fn every_format_ends_with_a_line_end() {
        for format in [
            Format::Table,
            Format::Json,
            Format::Sysctl,
            Format::Markdown,
            Format::KubeProxy,
            Format::Modprobe,
        ] {
            let text = render(&example(), format, &Style::default());
            assert!(
                text.ends_with('\n') && !text.ends_with("\n\n"),
                "{format:?}: {text}"
            );
        }
    }
}
