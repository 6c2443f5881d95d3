//! `tracker lab list`: scenarios as a table, or as JSON.

use comfy_table::Cell;
use serde::Serialize;

use super::Style;
use crate::{lab::scenario::Scenario, units};

/// What is said of a scenario.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    description: &'a str,
    duration_s: f64,
    connections_per_s: f64,
    masquerade: bool,
    populations: Vec<&'a str>,
}

/// The scenarios as JSON, with a line end.
#[must_use]
pub fn json(scenarios: &[Scenario]) -> String {
    let rows: Vec<Row<'_>> = scenarios.iter().map(row).collect();
    let mut text = serde_json::to_string_pretty(&rows).unwrap_or_default();
    text.push('\n');
    text
}

fn row(scenario: &Scenario) -> Row<'_> {
    let populations = scenario.populations.iter();
    Row {
        name: &scenario.name,
        description: &scenario.description,
        duration_s: scenario.duration.as_secs_f64(),
        connections_per_s: populations.clone().map(|it| it.arrival.rate()).sum(),
        masquerade: scenario.masquerade,
        populations: populations.map(|it| it.name.as_str()).collect(),
    }
}

/// The scenarios as a table.
#[must_use]
pub fn table(scenarios: &[Scenario], style: Style) -> String {
    let header = ["scenario", "for", "a second", "models"];
    let rows = scenarios.iter().map(|scenario| {
        let row = row(scenario);
        [
            Cell::new(row.name),
            Cell::new(units::seconds(row.duration_s)),
            Cell::new(units::rate(row.connections_per_s)),
            Cell::new(row.description),
        ]
    });
    style.grid(header, &[0, 3], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::scenario::BUILTIN;

    fn scenarios() -> Vec<Scenario> {
        let all = BUILTIN.iter();
        all.map(|it| Scenario::parse(it.name, it.text).unwrap())
            .collect()
    }

    #[test]
    fn every_scenario_is_described() {
        let table = table(&scenarios(), Style::default());
        for builtin in BUILTIN {
            assert!(table.contains(builtin.name), "{table}");
        }
        let narrow = Style {
            width: Some(60),
            colour: false,
        };
        let table = super::table(&scenarios(), narrow);
        assert!(table.lines().all(|it| it.chars().count() <= 60), "{table}");
        let json: serde_json::Value = serde_json::from_str(&json(&scenarios())).unwrap();
        assert_eq!(json[3]["name"], "dns");
        assert_eq!(json[3]["connections_per_s"], 82.0);
    }
}
