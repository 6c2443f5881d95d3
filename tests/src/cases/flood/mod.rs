//! Floods as fast as they can be sent, held against what the kernel itself counts: at that rate no truth about single
//! packets is exact where two CPUs race for the last place in a full table.

mod books;
mod count;
mod disturbed;
mod endless;
mod highest;
mod left;
mod resident;
mod watch;

use super::{Case, Kind};

/// The cases of this folder.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "flood_syn",
            kind: Kind::Free(|| highest::room_for_all("flood_syn", "syn-flood")),
        },
        Case {
            name: "flood_udp",
            kind: Kind::Free(|| highest::room_for_all("flood_udp", "udp-flood")),
        },
        Case {
            name: "flood_table_full",
            kind: Kind::Free(|| highest::table_full("flood_table_full")),
        },
        Case {
            name: "flood_disturbed",
            kind: Kind::Free(disturbed::disturbed),
        },
        Case {
            name: "flood_interrupted",
            kind: Kind::Free(disturbed::interrupted),
        },
    ]
}
