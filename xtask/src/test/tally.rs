//! Counting tests, and the summary.

use std::time::Duration;

/// What one place's tests came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The host, or the kernel.
    pub place: String,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and runs that did not come to their end.
    pub failed: u64,
    /// Tests that were left out.
    pub ignored: u64,
    /// How long it took.
    pub took: Duration,
}

impl Tally {
    /// Nothing failed, and there were tests: everywhere, unless only some of them were asked for.
    pub fn are_good(all: &[Self], some_only: bool) -> bool {
        let passed = |it: &Self| it.passed > 0;
        let ran = if some_only {
            all.iter().any(passed)
        } else {
            all.iter().all(passed)
        };
        ran && all.iter().all(|it| it.failed == 0)
    }

    /// A run that ended badly although no test says that it failed counts as one failure.
    pub fn with_status(mut self, ended_well: bool) -> Self {
        if !ended_well && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// Adds up the `test result:` lines of cargo's harness.
    pub fn of_cargo(output: &str) -> Self {
        let mut all = Self::default();
        for line in output
            .lines()
            .filter(|line| line.starts_with("test result:"))
        {
            all.passed += count(line, "passed");
            all.failed += count(line, "failed");
            all.ignored += count(line, "ignored");
        }
        all
    }

    /// Reads the last line of the cases in a guest, `N passed, N failed`. None if there is no such line.
    pub fn of_cases(output: &str) -> Option<Self> {
        let line = output
            .lines()
            .rev()
            .find(|line| line.contains(" passed, ") && line.contains(" failed"))?;
        Some(Self {
            passed: count(line, "passed"),
            failed: count(line, "failed"),
            ignored: count(line, "skipped"),
            ..Self::default()
        })
    }

    /// Prints a table, and the sum as the last line.
    pub fn print(tallies: &[Self]) {
        let mut all = Self::default();
        println!(
            "\n{:<40} {:>7} {:>7} {:>8} {:>8}",
            "where", "passed", "failed", "left out", "time"
        );
        for one in tallies {
            let took = one.took.as_secs_f64();
            println!(
                "{:<40} {:>7} {:>7} {:>8} {took:>6.1} s",
                one.place, one.passed, one.failed, one.ignored
            );
            all.passed += one.passed;
            all.failed += one.failed;
        }
        println!("{} passed, {} failed", all.passed, all.failed);
    }
}

/// The number before a word: 3 in `ok. 3 passed; 0 failed`.
fn count(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line
        .split_whitespace()
        .map(|word| word.trim_end_matches([';', ',']))
        .collect();
    words
        .windows(2)
        .filter(|pair| pair[1] == word)
        .find_map(|pair| pair[0].parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_results_are_added_up() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out\n";
        let tally = Tally::of_cargo(output);
        assert_eq!((tally.passed, tally.failed, tally.ignored), (5, 1, 1));
        assert!(!Tally::are_good(&[tally], false));
    }

    #[test]
    fn a_guests_cases_end_with_their_sum() {
        let tally =
            Tally::of_cases("case a ... ok\ncase b ... FAILED\n1 passed, 1 failed\n").unwrap();
        assert_eq!((tally.passed, tally.failed), (1, 1));
        assert_eq!(Tally::of_cases("case a ... ok\n"), None);
    }

    #[test]
    fn a_bad_end_is_a_failure() {
        assert_eq!(Tally::default().with_status(false).failed, 1);
        assert_eq!(Tally::default().with_status(true).failed, 0);
    }

    #[test]
    fn no_test_is_no_success() {
        let of = |passed, failed| Tally {
            passed,
            failed,
            ..Tally::default()
        };
        assert!(Tally::are_good(&[of(2, 0), of(1, 0)], false));
        assert!(!Tally::are_good(&[of(2, 0), of(0, 0)], false));
        assert!(Tally::are_good(&[of(2, 0), of(0, 0)], true));
        assert!(!Tally::are_good(&[of(0, 0), of(0, 0)], true));
        assert!(!Tally::are_good(&[of(2, 1)], true));
    }
}
