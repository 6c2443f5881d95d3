//! Which of a plan's changes are tested.

use super::*;

#[test]
fn a_timer_that_does_not_run_out_in_the_warm_up_is_not_tested() {
    let scenario = Scenario::find("web-short").unwrap();
    let mut plan = plan(1_000.0, 1_000);
    let split = |plan: &PlanFile, warm_up| Split::of(plan, &scenario, &terms(&scenario, warm_up));
    assert_eq!(split(&plan, 600).tested, plan.settings);
    let short = split(&plan, 100);
    assert_eq!(short.tested, []);
    assert_eq!(
        short.untested[0].why,
        "its 2 m do not pass within the warm-up of 1 m 40 s"
    );
    plan.settings[0].name = Name::Timer(Timer::Generic);
    assert_eq!(
        split(&plan, 600).untested[0].why,
        "no packet of a scenario arms it"
    );
}

#[test]
fn buckets_are_not_tested() {
    let scenario = Scenario::find("web-short").unwrap();
    let mut plan = plan(1_000.0, 1_000);
    plan.settings[0].name = Name::Buckets;
    let split = Split::of(&plan, &scenario, &terms(&scenario, 600));
    assert_eq!(split.tested, []);
    assert_eq!(
        split.untested[0].why,
        "nothing that is compared depends on it"
    );
}

#[test]
fn other_namespaces_of_a_plan_are_not_tested() {
    let mut plan = plan(1_000.0, 1_000);
    let place = |inum, name: &str| advice::Place {
        inum,
        name: name.to_owned(),
    };
    plan.namespaces = vec![place(1, "host"), place(2, "db")];
    let untested = Untested::elsewhere(&plan, "host");
    assert_eq!(
        untested,
        [Untested {
            name: "namespace db".to_owned(),
            why: "only host is played. Prove it with --netns db".to_owned(),
        }]
    );
    plan.settings[0].action = advice::Action::Keep;
    assert_eq!(Untested::elsewhere(&plan, "host"), []);
}

#[test]
fn a_table_is_as_much_smaller_as_connections_are_fewer() {
    assert_eq!(scaled(65_536, 1.0), 65_536);
    let less = scaled(65_536, 0.01);
    assert!((655..900).contains(&less), "{less}");
}
