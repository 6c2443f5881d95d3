//! What tracker is tested with: real traffic between network namespaces, the truth about it, and the cases that
//! compare that truth with what tracker measured.
//!
//! The crate uses nothing of tracker's own code but the lab, which makes traffic and observes nothing: the cases run
//! the `tracker` binary and read its JSON, so an error in the shared rules cannot hide itself.

pub mod bench;
pub mod cases;
pub mod demo;
pub mod lab;
pub mod net;
pub mod traffic;
pub mod truth;
