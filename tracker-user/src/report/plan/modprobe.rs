//! A plan as a file for /etc/modprobe.d: the values are there as soon as the module is, whenever that
//! is loaded.

use super::{Action, Plan, Renderer, Setting, Style, comment, heading, warn};
use crate::settings::Name;

pub struct Modprobe;

impl Renderer for Modprobe {
    fn render(&self, plan: &Plan, _style: Style) -> String {
        let mut text = heading(plan);
        comment(
            &mut text,
            "It takes effect when nf_conntrack is loaded the next time; where it is built into the \
             kernel, this file does nothing: write nf_conntrack.hashsize to the kernel's command line, \
             and the rest to /etc/sysctl.d.",
        );
        warn(&mut text, plan);
        let changed = |it: &&Setting| it.action != Action::Keep;
        let is = |it: &Setting, name: Name| it.name == name.full();
        let changes: Vec<&Setting> = plan.settings.iter().filter(changed).collect();
        let buckets = changes.iter().find(|it| is(it, Name::Buckets));
        if let Some(buckets) = buckets {
            text.push_str(&format!(
                "options nf_conntrack hashsize={}\n",
                buckets.recommended
            ));
        }
        let mut values: Vec<String> = changes
            .iter()
            .filter(|it| !is(it, Name::Buckets))
            .map(|it| format!("{}={}", it.name, it.recommended))
            .collect();
        // A number of buckets that is given when the module is loaded sets the maximum as well.
        let max = plan.settings.iter().find(|it| is(it, Name::Max));
        if let (Some(_), Some(max)) = (buckets, max.filter(|it| it.action == Action::Keep)) {
            values.push(format!("{}={}", max.name, max.current));
        }
        if values.is_empty() {
            comment(&mut text, "Nothing else changes.");
        } else {
            text.push_str(&format!(
                "install nf_conntrack /sbin/modprobe --ignore-install nf_conntrack $CMDLINE_OPTS && \
                 /sbin/sysctl -q -w {}\n",
                values.join(" ")
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_set_right_after_the_module_is_loaded() {
        let text = Modprobe.render(&super::super::tests::example(), Style::default());
        let active: Vec<&str> = text.lines().filter(|it| !it.starts_with('#')).collect();
        assert_eq!(
            active,
            [
                "install nf_conntrack /sbin/modprobe --ignore-install nf_conntrack $CMDLINE_OPTS && \
              /sbin/sysctl -q -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=60 \
              net.netfilter.nf_conntrack_udp_timeout=45"
            ]
        );
    }

    #[test]
    fn buckets_are_an_option_and_keep_the_maximum() {
        let mut plan = super::super::tests::example();
        for setting in &mut plan.settings {
            if setting.name == Name::Buckets.full() {
                (setting.action, setting.recommended) = (Action::Raise, 131_072);
            }
        }
        let text = Modprobe.render(&plan, Style::default());
        assert!(
            text.contains("\noptions nf_conntrack hashsize=131072\n"),
            "{text}"
        );
        assert!(
            text.contains(" net.netfilter.nf_conntrack_max=65536\n"),
            "{text}"
        );
    }
}
