//! Known traffic, made exactly: scenarios of connections whose packets are crafted for both ends
//! and sent through a router that tracks them, between namespaces of the lab's own.

pub mod packet;
mod random;
pub mod scenario;
pub mod script;
pub mod truth;
