//! Named network namespaces, and the client – router – server topology between them.

mod hush;
mod netns;
mod topology;

pub use hush::Hush;
pub use netns::Netns;
pub use topology::{
    CLIENT4, CLIENT6, DEAD4, DEAD6, ROUTER4, Role, SERVER4, SERVER6, Topology, sweep,
};
pub use tracker_user::lab::net::{NetError, Tool, tool};
