//! A plan for a ticket or a wiki.

use super::{Action, Plan, Renderer, Style, basis, outlook, saving, short, value, worth_showing};

pub struct Markdown;

impl Renderer for Markdown {
    fn render(&self, plan: &Plan, _style: Style) -> String {
        let mut text = format!("{}\n\n", basis(plan));
        text.push_str("| setting | now | set | entries saved | why |\n|---|--:|--:|--:|---|\n");
        for setting in worth_showing(plan) {
            let set = match setting.action {
                Action::Keep => "keep".to_owned(),
                _ => format!("**{}**", value(setting, setting.recommended)),
            };
            text.push_str(&format!(
                "| `{}` | {} | {set} | {} | {} |\n",
                short(setting),
                value(setting, setting.current),
                saving(setting),
                setting.reason.replace('|', "\\|")
            ));
        }
        text.push_str(&format!("\n{}\n", outlook(plan)));
        if !plan.warnings.is_empty() {
            text.push('\n');
        }
        for warning in &plan.warnings {
            text.push_str(&format!("- {warning}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_its_columns() {
        let text = Markdown.render(&super::super::tests::example(), Style::default());
        let line = text
            .lines()
            .find(|line| line.contains("time_wait"))
            .unwrap();
        assert_eq!(
            line,
            "| `nf_conntrack_tcp_timeout_time_wait` | 2 m | **1 m** | 6,000 | 0 of 90,000 connections resumed after more than 1 m: harm at most 3.3e-5 |"
        );
        assert!(
            text.lines()
                .filter(|line| line.starts_with('|'))
                .all(|line| line.matches(" | ").count() == 4 || line.starts_with("|--"))
        );
    }
}
