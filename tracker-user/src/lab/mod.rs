//! Known traffic, made exactly: scenarios of connections whose packets are crafted for both ends
//! and sent through a router that tracks them, between namespaces of the lab's own.

pub mod clock;
pub mod control;
pub mod craft;
pub mod net;
pub mod packet;
pub mod priority;
mod random;
pub mod run;
pub mod scenario;
pub mod script;
pub mod send;
pub mod truth;
pub mod watcher;
