//! Functions of the kernel that are chosen by hand: what is counted does not depend on which one shows it.

use serde_json::json;

use super::{Case, Measured, alone, tcp, udp};
use crate::traffic::{Stage, TrafficError};
use crate::truth::Want;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let free = Measured {
        options: &["--hook", "destroy=nf_conntrack_free"],
        adjust: |wants| {
            wants.put(
                "hooks[destroy].symbol",
                Want::Is(json!("nf_conntrack_free")),
            );
        },
        ..Measured::new(all_sorts)
    };
    let helper = Measured {
        options: &["--hook", "destroy=nf_ct_helper_destroy"],
        adjust: |wants| {
            wants.put(
                "hooks[destroy].symbol",
                Want::Is(json!("nf_ct_helper_destroy")),
            );
        },
        ..Measured::new(all_sorts)
    };
    let kprobes = Measured {
        options: &["--attach", "kprobe"],
        adjust: |wants| {
            for event in [
                "insert",
                "tcp_packet",
                "udp_packet",
                "icmp_packet",
                "destroy",
            ] {
                wants.put(format!("hooks[{event}].kind"), Want::Is(json!("kprobe")));
            }
        },
        ..Measured::new(all_sorts)
    };
    vec![
        alone("hook_destroy_free", free),
        alone("hook_destroy_helper", helper),
        alone("hook_kprobes", kprobes),
    ]
}

/// Entries that expire, that are deleted, and that never enter the table.
fn all_sorts(stage: &mut Stage) -> Result<(), TrafficError> {
    tcp::lifecycle(stage)?;
    tcp::deleted(stage)?;
    udp::stream(stage)?;
    udp::icmp(stage)
}
