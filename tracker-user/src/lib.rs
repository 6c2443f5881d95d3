//! tracker: profiles Linux connection tracking from inside the kernel, and recommends its settings
//! from what it saw.

pub mod kernel;
pub mod source;
