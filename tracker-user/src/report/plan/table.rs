//! A plan for people at a terminal.

use comfy_table::{Cell, Color};

use super::{
    Action, Plan, Renderer, Setting, Style, basis, holding, outlook, saving, short, value,
    worth_showing,
};

pub struct Table;

impl Renderer for Table {
    fn render(&self, plan: &Plan, style: Style) -> String {
        let mut text = style.paragraph(&basis(plan), 0);
        text.push('\n');
        let rows = worth_showing(plan).map(row);
        let header = ["setting", "now", "set", "holds", "saves", "why"];
        text.push_str(&style.grid(header, &[0, 5], rows));
        let hidden = plan.settings.len() - worth_showing(plan).count();
        if hidden > 0 {
            text.push_str(&format!(
                "  {hidden} more timers stay: nothing was seen under them.\n"
            ));
        }
        text.push('\n');
        text.push_str(&style.paragraph(&outlook(plan), 0));
        for warning in &plan.warnings {
            text.push_str(&style.paragraph(&format!("- {warning}"), 2));
        }
        text
    }
}

fn row(setting: &Setting) -> [Cell; 6] {
    let set = match setting.action {
        Action::Lower => Cell::new(value(setting, setting.recommended)).fg(Color::Green),
        Action::Raise => Cell::new(value(setting, setting.recommended)).fg(Color::Yellow),
        Action::Keep => Cell::new("keep"),
    };
    [
        Cell::new(short(setting)),
        Cell::new(value(setting, setting.current)),
        set,
        Cell::new(holding(setting)),
        Cell::new(saving(setting)),
        Cell::new(&setting.reason),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_saving_comes_first() {
        let expected = "\
gateway watched for 15 m: 95,000 inserted, 94,500 destroyed, 13,000 entries on average, 13,000 at most. Policy balanced, at most 1e-4 of all connections may be harmed.

  setting                                  now   set   holds  saves  why
  nf_conntrack_tcp_timeout_time_wait       2 m   1 m  12,080  6,000  0 of 90,000 connections resumed after more than 1 m: harm at most 3.3e-5
  nf_conntrack_udp_timeout                30 s  45 s     314    -75  45 of 4,500 that expired came back after up to 36 s: it cuts living ones; between 0.47 % and 47 % of all gaps are longer than it
  nf_conntrack_tcp_timeout_established     5 d  keep   4,500         the watch lasted 15 m: it takes 6 h 12 m to justify 2 h 4 m
";
        let text = Table.render(&super::super::tests::example(), Style::default());
        let start: String = text
            .lines()
            .take(6)
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(start, expected, "\n{text}");
        assert!(
            text.contains("Predicted: 7,075 entries on average"),
            "{text}"
        );
        assert!(text.contains("nf_conntrack_max"), "{text}");
    }

    #[test]
    fn it_fits_the_terminal() {
        let style = Style {
            width: Some(100),
            colour: false,
        };
        let text = Table.render(&super::super::tests::example(), style);
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }
}
