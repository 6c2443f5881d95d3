//! Answers every question about the machine's kernel: its types, symbols, settings, namespaces.
//!
//! Everything reads below a [`Root`], so that tests can point it at a folder of captured files.
//! Nothing here changes the machine.

pub mod btf;
pub mod collector;
pub mod legacy;
pub mod machine;
pub mod netns;
pub mod offsets;
pub mod owners;
mod root;
pub mod statistics;
pub mod symbols;
pub mod sysctl;

pub use self::root::Root;
