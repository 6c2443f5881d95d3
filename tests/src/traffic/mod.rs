//! Real-socket traffic through a topology, written down in a ledger while it is made.
//!
//! Every exchange starts just after a tick of the kernel and ends in the same jiffy, so its times are known exactly.

mod datagram;
mod raw;
mod stage;
mod table;
mod tcp;
mod wire;

pub use datagram::{Echo, Flow};
pub use raw::Raw;
pub use stage::Stage;
pub use table::Sent;
pub use tcp::{Conn, Side};
pub use wire::{Segment, Wire};

use tracker_user::lab::clock::ClockError;

use crate::net::NetError;

/// What can go wrong while traffic is made.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The namespaces refuse.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The time refuses.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// A socket refuses.
    #[error("{what}: {source}. The topology may be gone, the packet lost, or the port taken")]
    Socket {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Something happened that the traffic does not allow for.
    #[error("{0}. The kernel behaves otherwise than the case assumes")]
    Surprise(String),
    /// One case of several failed.
    #[error("{case}: {error}")]
    Part {
        /// The case.
        case: &'static str,
        /// What went wrong.
        error: Box<TrafficError>,
    },
}

/// Names what failed.
fn socket(what: &str) -> impl FnOnce(std::io::Error) -> TrafficError + '_ {
    move |source| TrafficError::Socket {
        what: what.to_owned(),
        source,
    }
}
