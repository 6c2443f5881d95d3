use super::*;

struct Fake {
    functions: &'static [&'static str],
    first: Option<Option<&'static str>>,
    callers: Option<&'static [&'static str]>,
}

impl Kernel for Fake {
    fn has(&self, function: &str) -> bool {
        self.functions.contains(&function)
    }
    fn is_split(&self, function: &str) -> bool {
        self.functions.iter().any(|it| {
            it.strip_prefix(function)
                .is_some_and(|rest| rest.starts_with(".part."))
        })
    }
    fn first_argument(&self, _: &str) -> Option<Option<String>> {
        self.first.map(|first| first.map(str::to_owned))
    }
    fn callers(&self, function: &str) -> Result<Vec<String>, String> {
        assert_eq!(function, "nf_ct_remove_expectations");
        let callers = self.callers.ok_or("it cannot be read")?;
        Ok(callers.iter().map(|&it| it.to_owned()).collect())
    }
}

fn destroy(kernel: &Fake, pins: &[Pin]) -> Vec<String> {
    candidates(&EVENTS[0], kernel, pins)
}

#[test]
fn the_best_function_comes_first() {
    let functions = &[
        "nf_conntrack_free",
        "nf_ct_delete",
        "nf_ct_helper_destroy",
        "nf_ct_remove_expectations",
    ];
    let kernel = Fake {
        functions,
        first: None,
        callers: None,
    };
    assert_eq!(
        destroy(&kernel, &[]),
        [
            "nf_ct_remove_expectations",
            "nf_ct_helper_destroy",
            "nf_ct_delete",
            "nf_conntrack_free"
        ]
    );
}

#[test]
fn a_function_that_the_compiler_split_is_passed_over() {
    let functions = &["nf_conntrack_free", "nf_ct_delete", "nf_ct_delete.part.0"];
    let kernel = Fake {
        functions,
        first: None,
        callers: None,
    };
    assert_eq!(destroy(&kernel, &[]), ["nf_conntrack_free"]);
}

#[test]
fn a_function_that_may_be_inlined_is_taken_if_nobody_has_a_copy() {
    const ITSELF: &str = "__nf_ct_delete_from_lists";
    const OTHER: &str = "nf_ct_remove_expectations";
    fn taken(callers: Option<&'static [&'static str]>) -> String {
        let kernel = Fake {
            functions: &[OTHER, ITSELF],
            first: Some(Some("struct nf_conn *")),
            callers,
        };
        destroy(&kernel, &[]).swap_remove(0)
    }
    assert_eq!(taken(Some(&[ITSELF])), ITSELF);
    assert_eq!(taken(Some(&["nf_ct_destroy", ITSELF])), ITSELF);
    assert_eq!(taken(Some(&[ITSELF, "nf_ct_delete"])), OTHER);
    assert_eq!(taken(Some(&[ITSELF, "clean_from_lists"])), OTHER);
    assert_eq!(taken(Some(&["nf_ct_destroy"])), OTHER);
    assert_eq!(taken(Some(&[])), OTHER);
    assert_eq!(taken(None), OTHER);
}

#[test]
fn a_function_with_another_signature_is_passed_over() {
    let kernel = Fake {
        functions: &["nf_ct_helper_destroy"],
        first: Some(Some("struct sk_buff *")),
        callers: None,
    };
    assert!(destroy(&kernel, &[]).is_empty());
    let kernel = Fake {
        functions: &["nf_ct_helper_destroy"],
        first: Some(Some("struct nf_conn *")),
        callers: None,
    };
    assert_eq!(destroy(&kernel, &[]), ["nf_ct_helper_destroy"]);
}

#[test]
fn a_pin_leaves_no_choice() {
    let functions = &["nf_conntrack_free", "nf_ct_helper_destroy"];
    let kernel = Fake {
        functions,
        first: None,
        callers: None,
    };
    let pin: Pin = "destroy=nf_conntrack_free".parse().unwrap();
    assert_eq!(destroy(&kernel, &[pin]), ["nf_conntrack_free"]);
}

#[test]
fn a_pin_names_an_event_and_a_function_that_shows_it() {
    assert!(
        "destroy"
            .parse::<Pin>()
            .unwrap_err()
            .contains("EVENT=FUNCTION")
    );
    assert!(
        "death=x"
            .parse::<Pin>()
            .unwrap_err()
            .contains("Name one of destroy, insert")
    );
    assert!(
        "destroy=nf_conntrack_in"
            .parse::<Pin>()
            .unwrap_err()
            .contains("Name one of __nf_ct_delete_from_lists, nf_ct_remove_expectations")
    );
}
