//! Comparing a report with what it must say, field by field, with nothing left out on either side.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What a field must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// Exactly this count.
    Count(u64),
    /// A number in this range, ends included.
    Between(f64, f64),
    /// Exactly this word, number or truth value.
    Is(Value),
    /// One of these words.
    OneOf(Vec<String>),
    /// No value: 0, null, or no such field.
    Nothing,
    /// Whatever it is, if it is there at all.
    Anything,
}

impl Want {
    fn met_by(&self, got: Option<&Value>) -> bool {
        match (self, got) {
            (Self::Anything, _) | (Self::Nothing, None | Some(Value::Null)) => true,
            (Self::Count(want), Some(got)) => got.as_u64() == Some(*want),
            (Self::Between(low, high), Some(got)) => {
                got.as_f64().is_some_and(|got| *low <= got && got <= *high)
            }
            (Self::Is(want), Some(got)) => want == got,
            (Self::OneOf(words), Some(got)) => got
                .as_str()
                .is_some_and(|got| words.iter().any(|word| word == got)),
            (Self::Nothing, Some(got)) => got.as_f64() == Some(0.0),
            (_, None) => false,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Between(low, high) => write!(f, "{low:.4} to {high:.4}"),
            Self::Is(value) => write!(f, "{value}"),
            Self::OneOf(words) => write!(f, "{}", words.join(" or ")),
            Self::Nothing => write!(f, "nothing"),
            Self::Anything => write!(f, "anything"),
        }
    }
}

/// What a whole report must hold, by path.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Wants(BTreeMap<String, Want>);

impl Wants {
    /// Sets what the field at `path` must hold.
    pub fn put(&mut self, path: impl Into<String>, want: Want) {
        self.0.insert(path.into(), want);
    }

    /// What the field at `path` must hold.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Want> {
        self.0.get(path)
    }

    /// Replaces every wish whose path ends so.
    pub fn loosen(&mut self, ending: &str, want: &Want) {
        self.loosen_all(|path| path.ends_with(ending), want);
    }

    /// Replaces every wish with such a path.
    pub fn loosen_all(&mut self, is_meant: impl Fn(&str) -> bool, want: &Want) {
        for (_, held) in self.0.iter_mut().filter(|(path, _)| is_meant(path)) {
            *held = want.clone();
        }
    }

    /// What precedes this path wherever it is wished for: the parts of the report that have it.
    #[must_use]
    pub fn parts(&self, path: &str) -> Vec<String> {
        let parts = self.0.keys().filter_map(|held| held.strip_suffix(path));
        parts.map(ToOwned::to_owned).collect()
    }
}

/// Words that tell the rows of a list apart, the first that a row has.
const KEYS: [&[&str]; 6] = [
    &["state", "reason"],
    &["proto", "port", "timer"],
    &["proto", "port"],
    &["name"],
    &["event"],
    &["proto"],
];

/// A report as one flat map: `states[udp_stream].entered` and so on.
#[must_use]
pub fn flatten(report: &Value) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    walk(report, "", &mut flat);
    flat
}

fn walk(value: &Value, path: &str, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                walk(field, &format!("{path}{dot}{key}"), flat);
            }
        }
        Value::Array(rows) => {
            for (number, row) in rows.iter().enumerate() {
                walk(row, &format!("{path}[{}]", row_key(row, number)), flat);
            }
        }
        leaf => {
            if flat.insert(path.to_owned(), leaf.clone()).is_some() {
                flat.insert(format!("{path} (twice)"), leaf.clone());
            }
        }
    }
}

fn row_key(row: &Value, number: usize) -> String {
    let word = |key: &&str| match row.get(*key) {
        Some(Value::String(word)) => Some(word.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    KEYS.iter()
        .find_map(|keys| keys.iter().map(word).collect::<Option<Vec<_>>>())
        .map_or_else(|| number.to_string(), |words| words.join("/"))
}

/// The differences, a line each: field, expected, got. A field that nobody expected is a difference as well.
#[must_use]
pub fn diff(wants: &Wants, report: &Value) -> Vec<String> {
    let flat = flatten(report);
    let missing = Value::String("no such field".to_owned());
    let wrong = wants
        .0
        .iter()
        .filter(|(path, want)| !want.met_by(flat.get(*path)))
        .map(|(path, want)| {
            let got = flat.get(path).unwrap_or(&missing);
            format!("{path}: expected {want}, got {got}")
        });
    let surplus = flat
        .iter()
        .filter(|(path, _)| !wants.0.contains_key(*path))
        .map(|(path, got)| format!("{path}: expected no such field, got {got}"));
    wrong.chain(surplus).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_named_by_what_tells_them_apart() {
        let flat = flatten(
            &json!({"deaths": [{"state": "icmp", "reason": "expired", "count": 2}], "x": {"y": 1}}),
        );
        assert_eq!(flat["deaths[icmp/expired].count"], json!(2));
        assert_eq!(flat["x.y"], json!(1));
    }

    #[test]
    fn every_difference_is_named() {
        let mut wants = Wants::default();
        wants.put("a", Want::Count(1));
        wants.put("b", Want::Between(0.5, 1.5));
        wants.put("c", Want::Nothing);
        let report = json!({"a": 2, "b": 1.0, "c": 0, "d": 4});
        assert_eq!(
            diff(&wants, &report),
            ["a: expected 1, got 2", "d: expected no such field, got 4"]
        );
    }

    #[test]
    fn the_same_row_twice_is_a_difference() {
        let mut wants = Wants::default();
        wants.put("states[icmp].name", Want::Anything);
        let report = json!({"states": [{"name": "icmp"}, {"name": "icmp"}]});
        assert_eq!(diff(&wants, &report).len(), 1);
    }

    #[test]
    fn a_missing_field_is_a_difference() {
        let mut wants = Wants::default();
        wants.put("a", Want::Count(0));
        assert_eq!(
            diff(&wants, &json!({})),
            ["a: expected 0, got \"no such field\""]
        );
    }
}
