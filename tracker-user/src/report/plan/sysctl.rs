//! A plan as a file for `sysctl -p` or /etc/sysctl.d: only what changes is active.

use super::{Action, Plan, Renderer, Setting, Style, comment, heading, outlook, value, warn};
use crate::units;

pub struct Sysctl;

impl Renderer for Sysctl {
    fn render(&self, plan: &Plan, _style: Style) -> String {
        let mut text = heading(plan);
        comment(&mut text, &outlook(plan));
        warn(&mut text, plan);
        let (keep, change): (Vec<&Setting>, Vec<&Setting>) = plan
            .settings
            .iter()
            .partition(|it| it.action == Action::Keep);
        for setting in change {
            text.push('\n');
            comment(&mut text, &why(setting));
            text.push_str(&format!("{} = {}\n", setting.name, setting.recommended));
        }
        if !keep.is_empty() {
            text.push('\n');
            comment(&mut text, "Unchanged:");
        }
        let mut said = String::new();
        for setting in keep {
            // Most of them stay for the same reason.
            let why = why(setting);
            if why != said {
                comment(&mut text, &why);
                said = why;
            }
            text.push_str(&format!("# {} = {}\n", setting.name, setting.current));
        }
        text
    }
}

/// The reason, and what was counted.
fn why(setting: &Setting) -> String {
    let mut text = match setting.action {
        Action::Keep => String::new(),
        _ => format!("Was {}. ", value(setting, setting.current)),
    };
    let mut reason = setting.reason.chars();
    text.extend(reason.next().map(|first| first.to_ascii_uppercase()));
    text.push_str(reason.as_str());
    text.push('.');
    let evidence = &setting.evidence;
    if let Some(longest) = evidence.max_gap_s.filter(|_| evidence.connections > 0) {
        text.push_str(&format!(
            " Longest gap of {}: {}.",
            units::plural(evidence.connections, "connection", "connections"),
            units::seconds(longest)
        ));
    }
    if setting.entries_saved != 0 {
        let verb = if setting.entries_saved > 0 {
            "Saves"
        } else {
            "Adds"
        };
        let number = setting.entries_saved.unsigned_abs();
        text.push_str(&format!(
            " {verb} {}.",
            units::plural(number, "entry", "entries")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_active() {
        let text = Sysctl.render(&super::super::tests::example(), Style::default());
        let active: Vec<&str> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        assert_eq!(
            active,
            [
                "net.netfilter.nf_conntrack_tcp_timeout_time_wait = 60",
                "net.netfilter.nf_conntrack_udp_timeout = 45",
            ]
        );
        assert!(
            text.contains("# net.netfilter.nf_conntrack_max = 65536\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "# Was 2 m. 0 of 90,000 connections resumed after more than 1 m: harm at most 3.3e-5. Longest gap\n\
                 #   of 90,000 connections: 300 ms. Saves 6,000 entries.\n\
                 net.netfilter.nf_conntrack_tcp_timeout_time_wait = 60\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn every_line_is_a_comment_or_an_assignment() {
        let text = Sysctl.render(&super::super::tests::example(), Style::default());
        for line in text.lines() {
            let assigns = line
                .split_once(" = ")
                .is_some_and(|(name, value)| !name.contains(' ') && value.parse::<u64>().is_ok());
            assert!(
                line.is_empty() || line.starts_with("# ") || assigns,
                "{line}"
            );
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
