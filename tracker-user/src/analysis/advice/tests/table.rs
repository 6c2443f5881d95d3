//! The table's size.

use tracker_common::Proto;

use super::{advised, find};
use crate::{analysis::advice::*, recording::synthetic::Synthetic};

#[test]
fn a_table_that_is_too_small_is_raised_and_buckets_follow() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 60_000);
    host.count(60_000);
    let plan = advised(&mut source, 60);
    // 60,000 and 4.5 standard deviations, / 0.8, a quarter for floods, in multiples of 1,024.
    assert_eq!(plan.table.max, 96_256);
    assert_eq!(plan.table.buckets, 65_536);
    assert_eq!(plan.table.memory_bytes, Some(96_256 * 256 + 65_536 * 8));
    assert_eq!(find(&plan, "max").action, Action::Raise);
    assert_eq!(find(&plan, "buckets").action, Action::Keep);
}

#[test]
fn the_memory_given_binds_but_never_below_what_is_needed() {
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 60_000);
    let recording = source.recording(60);
    let sized = |memory| {
        let request = Request {
            memory: Some(memory),
            ..Request::default()
        };
        plan(std::slice::from_ref(&recording), &request)
    };
    let tight = sized(20 << 20);
    assert_eq!(tight.table.max, 78_848);
    assert!(
        tight
            .warnings
            .iter()
            .any(|it| matches!(it, Warning::Memory { .. }))
    );
    assert_eq!(sized(1 << 20).table.max, 65_536);
    assert_eq!(sized(1 << 30).table.max, 96_256);
    // A table that is larger than needed goes down to the memory given, not further.
    let mut idle = Synthetic::new();
    idle.host().insert(Proto::Udp, 100);
    let request = Request {
        memory: Some(8 << 20),
        ..Request::default()
    };
    let plan = plan(&[idle.recording(60)], &request);
    assert_eq!(plan.table.max, 31_744);
    assert_eq!(find(&plan, "max").action, Action::Lower);
}

#[test]
fn too_many_buckets_are_named() {
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 10);
    source.host().table = Some(crate::source::Table {
        count: 10,
        max: 4_096,
        buckets: 262_144,
    });
    let plan = advised(&mut source, 60);
    let it = find(&plan, "buckets");
    assert_eq!((it.action, it.recommended), (Action::Lower, 4_096));
    assert!(plan.warnings.contains(&Warning::ResizeStalls));
}
