//! What tracker's whole report about a watch must hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compare::{Want, Wants};
use super::fold;
use super::hist::Measure;
use super::ledger::{Ledger, Name};
use super::page::Page;
use super::scope::Scope;

/// Losses that a report counts by cause; there must be none of any.
const LOSSES: [&str; 6] = [
    "map_full",
    "read_failed",
    "probe_missed",
    "namespaces_full",
    "stack_failed",
    "strata_full",
];

/// Causes for which something is not attributed to a timer.
const UNATTRIBUTED: [&str; 7] = [
    "policy",
    "fixed_timeout",
    "offloaded",
    "clash",
    "timeout_changed",
    "inconsistent",
    "unobserved",
];

/// What the kernel counts itself if the truth says so. Not all kernels count all.
const STATISTICS: [&str; 6] = [
    "drop",
    "insert_failed",
    "clash_resolve",
    "chaintoolong",
    "invalid",
    "error",
];

/// The watch that a report is about.
#[derive(Debug, Clone)]
pub struct Watch {
    /// First and last jiffy, as near as known.
    pub span: (u64, u64),
    /// Its length as the report gives it, in seconds.
    pub duration_s: f64,
    /// The kernel's release.
    pub kernel: String,
    /// Size of the table: entries at most, and buckets.
    pub table: (u64, u64),
    /// Events that this kernel lets be observed, each with the function that shows it best.
    pub events: Vec<(&'static str, &'static str)>,
    /// Namespaces that are reported, each with its number.
    pub namespaces: Vec<(String, u64)>,
}

/// What the report must hold.
#[must_use]
pub fn expect(ledger: &Ledger, watch: &Watch) -> Wants {
    let measure = Measure {
        jiffy_s: ledger.jiffy_s,
        slack: ledger.slack,
    };
    let mut wants = head(watch, measure);
    let beside = |namespace: Option<&str>| {
        let counted = |name: &str| namespace.is_none_or(|namespace| namespace == name);
        let entries = ledger.entries.iter().filter(|it| counted(&it.namespace));
        let tables = ledger.statistics.iter().filter(|(name, _)| counted(name));
        Beside {
            causes: sum(entries.flat_map(|it| &it.causes)),
            statistics: Some(sum(tables.flat_map(|(_, counts)| counts))),
        }
    };
    // The settings of all together are one namespace's only if there is one.
    let only = (watch.namespaces.len() == 1).then(|| watch.namespaces[0].0.as_str());
    let only = only.and_then(|name| ledger.settings.get(name));
    let all = fold::ledger(ledger, None, watch.span);
    part(&mut wants, "", &all, &beside(None), measure, watch, only);
    for (namespace, inum) in &watch.namespaces {
        let at = name(&mut wants, namespace, *inum);
        let one = fold::ledger(ledger, Some(namespace), watch.span);
        let beside = beside(Some(namespace));
        let settings = ledger.settings.get(namespace);
        part(&mut wants, &at, &one, &beside, measure, watch, settings);
    }
    wants
}

/// What the report must say of the watch itself.
pub fn head(watch: &Watch, measure: Measure) -> Wants {
    let mut wants = Wants::default();
    for field in ["host", "started"] {
        wants.put(field, Want::Anything);
    }
    let seconds = (watch.span.1 - watch.span.0) as f64 * measure.jiffy_s;
    wants.put("schema_version", Want::Count(1));
    wants.put("source", Want::Is(json!("ebpf")));
    wants.put("kernel", Want::Is(json!(watch.kernel)));
    // The command takes time to start around the traffic, and tracker to see that it has ended.
    wants.put("duration_s", Want::Between(seconds - 0.1, seconds + 3.0));
    wants.put("complete", Want::Is(Value::Bool(true)));
    for (event, function) in &watch.events {
        let path = format!("hooks[{event}]");
        wants.put(format!("{path}.event"), Want::Anything);
        wants.put(format!("{path}.symbol"), Want::Is(json!(function)));
        wants.put(
            format!("{path}.kind"),
            Want::OneOf(vec!["kprobe".to_owned(), "fentry".to_owned()]),
        );
    }
    for loss in LOSSES {
        wants.put(format!("losses.{loss}"), Want::Count(0));
    }
    wants
}

/// What the report must say of a namespace's name, and what the paths of its part begin with.
pub fn name(wants: &mut Wants, name: &str, inum: u64) -> String {
    let at = format!("namespaces[{name}].");
    wants.put(format!("{at}name"), Want::Anything);
    wants.put(format!("{at}inum"), Want::Count(inum));
    at
}

/// What is known of a scope beside its entries.
pub struct Beside {
    /// How often something is not attributed to a timer, by cause.
    pub causes: BTreeMap<Name, u64>,
    /// What the kernel counts itself; none if that is not known.
    pub statistics: Option<BTreeMap<Name, u64>>,
}

fn sum<'a>(counts: impl Iterator<Item = (&'a Name, &'a u64)>) -> BTreeMap<Name, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in counts {
        *sums.entry(name.clone()).or_insert(0) += count;
    }
    sums
}

/// What the report must say of a scope.
pub fn part(
    wants: &mut Wants,
    at: &str,
    scope: &Scope,
    beside: &Beside,
    measure: Measure,
    watch: &Watch,
    settings: Option<&BTreeMap<Name, u64>>,
) {
    let mut page = Page {
        wants,
        at,
        measure,
        duration_s: watch.duration_s,
        settings,
    };
    scope.want(&mut page);
    let (max, buckets) = watch.table;
    page.put("table.max", Want::Count(max));
    page.put("table.buckets", Want::Count(buckets));
    for name in STATISTICS {
        let want = match &beside.statistics {
            None => Want::Anything,
            Some(counts) => match counts.get(name) {
                Some(&met) if met > 0 => Want::Count(met),
                _ => Want::Nothing,
            },
        };
        page.put(&format!("kernel_statistics.{name}"), want);
    }
    // A lookup begins again when entries move under it, which depends on their addresses.
    page.put("kernel_statistics.search_restart", Want::Anything);
    let evicted = match &beside.statistics {
        None => Want::Anything,
        Some(_) => Want::Count(scope.evicted()),
    };
    page.put("kernel_statistics.early_drop", evicted);
    for cause in UNATTRIBUTED {
        let met = beside.causes.get(cause).copied().unwrap_or(0);
        page.put(&format!("unattributed.{cause}"), Want::Count(met));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Followed, Reason, Step, diff, flatten};
    use super::*;

    fn step(at: u64, state: &'static str, timer: &'static str) -> Step {
        Step {
            at,
            state: state.into(),
            timer: timer.into(),
            timeout: 100,
        }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger {
            jiffy_s: 0.004,
            slack: 2,
            ..Ledger::default()
        };
        let entry = ledger.insert(Entry {
            namespace: "router".to_owned(),
            proto: "udp".into(),
            port: 53,
            pickup: false,
            before: false,
            causes: BTreeMap::new(),
            followed: Followed::Wholly,
            steps: vec![
                step(1000, "udp_unreplied", "udp_timeout"),
                step(1000, "udp_replied", "udp_timeout"),
                step(1250, "udp_replied", "udp_timeout"),
            ],
            death: None,
        });
        assert_eq!(Ledger::expiry(&ledger.entries[entry]), Some(1350));
        ledger.expire("router", 1500);
        ledger
    }

    fn watch() -> Watch {
        Watch {
            span: (900, 1600),
            duration_s: 2.8,
            kernel: "6.12".to_owned(),
            table: (8192, 8192),
            events: vec![("insert", "__nf_conntrack_hash_insert")],
            namespaces: vec![("router".to_owned(), 7)],
        }
    }

    #[test]
    fn an_expired_flow_is_expected_in_every_counter() {
        let wants = expect(&ledger(), &watch());
        assert_eq!(
            wants.get("deaths[udp_replied/expired].count"),
            Some(&Want::Count(1))
        );
        assert_eq!(
            wants.get("states[udp_unreplied].moved_on"),
            Some(&Want::Count(1))
        );
        assert_eq!(
            wants.get("timers[udp_timeout].resumed_gaps.count"),
            Some(&Want::Count(1))
        );
        assert_eq!(
            wants.get("timers[udp_timeout].max_gap.count"),
            Some(&Want::Count(1))
        );
        assert_eq!(
            wants.get("namespaces[router].ports[udp/53].inserts"),
            Some(&Want::Count(1))
        );
        assert_eq!(wants.get("balance.live_at_end"), Some(&Want::Count(0)));
        // 350 jiffies of 4 ms in 2.8 s, 150 overdue, and an interval at either side.
        let held = wants.get("timers[udp_timeout].occupancy_mean");
        assert!(
            matches!(held, Some(Want::Between(low, high)) if *low < 0.5 && 0.7 < *high && *high < 1.2),
            "{held:?}"
        );
    }

    #[test]
    fn a_killed_entry_is_no_expiry() {
        let mut ledger = ledger();
        ledger.kill(0, 1300, Reason::Deleted);
        let wants = expect(&ledger, &watch());
        assert_eq!(
            wants.get("states[udp_replied].killed"),
            Some(&Want::Count(1))
        );
        assert_eq!(wants.get("overdue.count"), Some(&Want::Count(0)));
    }

    #[test]
    fn an_empty_report_differs_in_all_that_is_wanted() {
        let wants = expect(&ledger(), &watch());
        assert!(flatten(&json!({})).is_empty());
        assert!(diff(&wants, &json!({})).len() > 50);
    }
}
