//! Proofs side by side, and what does not hold.

use super::{Check, Done, Expected};

/// Checks with a column of their own, by how they begin.
const MEAN: &str = "entries on average";
const PEAK: &str = "entries at the peak";
pub const CUT: &str = "connections cut by";

/// A line for each proof, then one for each thing that does not hold.
pub fn text(done: &[Done]) -> String {
    let mut text = format!(
        "\n{:<8} {:<18} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {:>12} {:>6}\n",
        "kernel", "scenario", "predicted", "measured", "", "peak", "measured", "", "cut", "time"
    );
    for it in done {
        let middle = match &it.proof {
            Ok(proof) => columns(&proof.checks),
            Err(_) => "failed".to_owned(),
        };
        let (kernel, name, took) = (&it.kernel, &it.name, it.took.as_secs());
        text += &format!("{kernel:<8} {name:<18} {middle:<68} {took:>4} s\n");
    }
    text.push('\n');
    let before = text.len();
    for it in done {
        let (kernel, name) = (&it.kernel, &it.name);
        match &it.proof {
            Ok(proof) if it.expected == Expected::Cuts => {
                if !proof.cuts() {
                    text += &format!(
                        "{kernel} {name}: no more connections are cut than may be, though it is harmful\n"
                    );
                }
            }
            Ok(proof) => {
                if proof.holds.is_none() {
                    text += &format!("{kernel} {name}: nothing was tested\n");
                }
                for untested in &proof.untested {
                    text += &format!(
                        "{kernel} {name}: not tested: {}: {}\n",
                        untested.name, untested.why
                    );
                }
                for check in proof.checks.iter().filter(|check| !check.holds) {
                    let Check {
                        what,
                        measured,
                        least,
                        most,
                        ..
                    } = check;
                    text += &format!(
                        "{kernel} {name}: {what}: {measured:.0}, not {least:.0} to {most:.0}\n"
                    );
                }
            }
            Err(error) => text += &format!("{kernel} {name}: {error:#}\n"),
        }
    }
    if text.len() > before {
        text.push('\n');
    }
    let good = done.iter().filter(|it| it.is_good()).count();
    text += &format!("{good} of {} proofs came as they should\n", done.len());
    text
}

/// Mean and peak as predicted and measured, and connections cut of those that might be.
fn columns(checks: &[Check]) -> String {
    let of = |begin: &str| checks.iter().find(|check| check.what.starts_with(begin));
    let pair = |check: Option<&Check>| {
        // A table that gets full is promised no count.
        let none = || format!("{:>9} {:>9} {:>7}", "-", "-", "");
        check.map_or_else(none, |check| {
            let predicted = check.predicted.unwrap_or(check.today);
            let off = 100.0 * (check.measured / predicted - 1.0);
            format!("{predicted:>9.0} {:>9.0} {off:>+5.1} %", check.measured)
        })
    };
    // By timer, and not once more by port.
    let cuts = checks.iter().filter(|check| check.what.starts_with(CUT));
    let (cut, most) = cuts.fold((0.0, 0.0), |(cut, most), check| {
        (cut + check.measured, most + check.most.floor())
    });
    let cut = format!("{cut:.0} of {most:.0}");
    format!("{} {} {cut:>12}", pair(of(MEAN)), pair(of(PEAK)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::prove::{Proof, Untested};

    #[test]
    fn what_does_not_hold_is_said_below() {
        let check = |what: &str, predicted: f64, measured: f64, most: f64| Check {
            what: what.to_owned(),
            today: 2_000.0,
            predicted: Some(predicted),
            measured,
            least: 0.0,
            most,
            holds: measured <= most,
        };
        let done = |measured: f64, expected| {
            let cut = if measured > 1_050.0 { 11.0 } else { 1.0 };
            let checks = vec![
                check("entries on average", 1_000.0, measured, 1_050.0),
                check("entries at the peak", 1_100.0, 1_100.0, 1_210.0),
                check("connections cut by udp_timeout", 0.0, cut, 3.2),
            ];
            let holds = checks.iter().all(|check| check.holds);
            Done {
                kernel: "6.12".to_owned(),
                name: "dns".to_owned(),
                took: Duration::from_secs(42),
                proof: Ok(Proof {
                    untested: vec![Untested {
                        name: "gre_timeout".to_owned(),
                        why: "nothing arms it".to_owned(),
                    }],
                    checks,
                    holds: Some(holds),
                }),
                expected,
            }
        };
        let good = text(&[done(1_010.0, Expected::Holds)]);
        assert!(good.contains("1000      1010  +1.0 %"), "{good}");
        assert!(good.contains("1 of 3"), "{good}");
        assert!(
            good.contains("6.12 dns: not tested: gre_timeout: nothing"),
            "{good}"
        );
        let mut nothing = done(1_010.0, Expected::Holds);
        if let Ok(proof) = &mut nothing.proof {
            proof.holds = None;
        }
        let nothing = text(&[nothing]);
        assert!(
            nothing.contains("6.12 dns: nothing was tested"),
            "{nothing}"
        );
        assert!(nothing.contains("0 of 1 proofs"), "{nothing}");
        let bad = text(&[
            done(1_010.0, Expected::Holds),
            done(1_100.0, Expected::Holds),
            done(1_100.0, Expected::Cuts),
            done(1_010.0, Expected::Cuts),
        ]);
        for line in [
            "6.12 dns: entries on average: 1100, not 0 to 1050\n",
            "6.12 dns: no more connections are cut",
            "2 of 4 proofs came as they should\n",
        ] {
            assert!(bad.contains(line), "{line}:\n{bad}");
        }
    }
}
