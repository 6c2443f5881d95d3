//! Whether what is played comes to where a change makes a difference.

use tracker_common::Timer;

use super::Played;
use crate::{
    analysis::advice::{Action, MARGIN, file::PlannedSetting},
    lab::{scenario::Scenario, truth::TruthFile},
    settings::Name,
    units,
};

/// Why a play says nothing of a timer that changes between these numbers of seconds: none of its
/// connections comes under it or, of one that is raised, near its old end.
#[must_use]
pub fn timer(truth: &TruthFile, timer: Timer, from: u64, to: u64) -> Option<String> {
    let row = truth.tally.timers.get(&timer);
    let Some(row) = row.filter(|row| row.longest.count() > 0) else {
        return Some("no connection that is played comes under it".to_owned());
    };
    let near = from as f64 / MARGIN / truth.about.jiffy_s;
    let comes_near = || row.longest.iter().any(|(span, _)| span.high as f64 >= near);
    (to > from && row.cut == 0 && !comes_near()).then(|| {
        let from = units::whole(from);
        format!("no connection that is played pauses for nearly {from}, and none is cut today")
    })
}

/// Why plays say nothing of a larger table: in none of them there are more entries than today's takes.
fn table(from: u64, plays: &[&Played]) -> Option<String> {
    let is_full = |it: &&Played| it.refused > 0 || it.peak() > from;
    if plays.iter().any(is_full) {
        return None;
    }
    let peak = plays.iter().map(|it| it.peak()).max().unwrap_or(0);
    Some(format!(
        "the {} entries of today's table are never all needed: at most {} are there at once",
        units::grouped(from),
        units::grouped(peak)
    ))
}

/// Why the play under today's settings says nothing of a change.
pub(super) fn of_today(
    change: &PlannedSetting,
    scenario: &Scenario,
    today: &Played,
) -> Option<String> {
    let Name::Timer(it) = change.name else {
        return None;
    };
    let from = scenario.timeouts.seconds(it);
    timer(&today.truth, it, from, change.recommended)
}

/// Why the plays say nothing of a change of the table's size.
///
/// A smaller one is always held against all entries that come.
pub(super) fn of_table(
    change: &PlannedSetting,
    scenario: &Scenario,
    plays: &[&Played],
) -> Option<String> {
    let is_larger = change.name == Name::Max && change.action == Action::Raise;
    let from = scenario.max.unwrap_or(change.current);
    is_larger.then(|| table(from, plays)).flatten()
}

#[cfg(test)]
mod tests {
    use tracker_common::Proto;

    use super::*;
    use crate::{
        lab::truth::Span,
        proof::tests::{plan, played},
    };

    #[test]
    fn a_timer_under_which_nobody_comes_is_not_tested() {
        let nobody = "no connection that is played comes under it";
        let truth = played(&[10], 0).truth;
        for to in [10, 30, 60] {
            let why = timer(&truth, Timer::Udp, 30, to);
            assert_eq!(why.as_deref(), Some(nobody));
        }
        assert_eq!(timer(&truth, Timer::TcpTimeWait, 120, 60), None);
    }

    #[test]
    fn a_raised_timer_is_tested_by_who_pauses_for_nearly_as_long_as_today_or_is_cut() {
        // They pause for 30 s.
        let mut truth = played(&[10], 0).truth;
        let why = |truth: &TruthFile, from| timer(truth, Timer::TcpTimeWait, from, 600);
        let said = why(&truth, 120).unwrap();
        assert!(
            said.starts_with("no connection that is played pauses for nearly 2 m"),
            "{said}"
        );
        assert_eq!(why(&truth, 37), None);
        truth
            .tally
            .longest(Timer::TcpTimeWait, Span::exactly(24_000));
        assert_eq!(why(&truth, 120), None);
        let mut truth = played(&[10], 0).truth;
        truth.tally.cut((Timer::TcpTimeWait, Proto::Tcp, 80), 1);
        assert_eq!(why(&truth, 120), None);
    }

    #[test]
    fn a_larger_table_is_tested_where_todays_gets_full() {
        let mut change = plan(1_000.0, 1_000).settings.remove(0);
        change.name = Name::Max;
        let size = |change: &mut PlannedSetting, from, to| {
            (change.current, change.recommended) = (from, to);
            change.action = Action::of(from, to);
        };
        let mut scenario = Scenario::find("web-short").unwrap();
        scenario.max = Some(2_000);
        let calm = played(&[1_500, 1_900], 0);
        let why = |change: &PlannedSetting, planned: &Played| {
            of_table(change, &scenario, &[&calm, planned])
        };
        size(&mut change, 2_000, 4_000);
        let said = why(&change, &calm).unwrap();
        assert_eq!(
            said,
            "the 2,000 entries of today's table are never all needed: at most 1,900 are there at once"
        );
        let mut refusing = calm.clone();
        refusing.refused = 1;
        assert_eq!(why(&change, &refusing), None);
        // Longer timers of the plan fill it.
        assert_eq!(why(&change, &played(&[2_001], 0)), None);
        // All that come have to find room in a smaller one.
        size(&mut change, 2_000, 1_950);
        assert_eq!(why(&change, &calm), None);
    }
}
