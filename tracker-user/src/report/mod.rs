//! What people and programs get to see: pure functions from a summary or a plan to text.

pub mod apply;
pub mod bench;
pub mod doctor;
pub mod lab;
pub mod plan;
pub mod proof;
pub mod show;
mod style;
pub mod whatif;

pub use style::Style;
