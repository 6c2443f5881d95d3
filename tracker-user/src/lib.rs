//! tracker: profiles Linux connection tracking from inside the kernel, and recommends its settings
//! from what it saw.

pub mod analysis;
pub mod apply;
pub mod bench;
pub mod cli;
pub mod doctor;
pub mod guest;
pub mod kernel;
pub mod lab;
pub mod proof;
pub mod recording;
pub mod replay;
pub mod report;
pub mod settings;
pub mod source;
pub mod units;
