//! The lab: what it sends is what tracker counts, it sends nowhere else, and leaves nothing behind.

mod ends;
mod engine;
mod refuses;
mod scenarios;
mod size;

use super::{Case, Kind};

/// The cases of this folder.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case {
            name: "lab_engine",
            kind: Kind::Free(|| engine::engine("lab_engine", false)),
        },
        Case {
            name: "lab_masquerade",
            kind: Kind::Free(|| engine::engine("lab_masquerade", true)),
        },
        Case {
            name: "lab_refuses",
            kind: Kind::Free(refuses::refuses),
        },
        Case {
            name: "lab_without_tools",
            kind: Kind::Free(refuses::without_tools),
        },
        Case {
            name: "lab_size",
            kind: Kind::Free(size::size),
        },
        Case {
            name: "lab_killed",
            kind: Kind::Free(ends::killed),
        },
        Case {
            name: "lab_interrupted",
            kind: Kind::Free(ends::interrupted),
        },
    ];
    cases.extend(scenarios::cases());
    cases
}
