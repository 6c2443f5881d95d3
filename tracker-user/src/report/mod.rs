//! What people and programs get to see.

pub mod show;
mod style;

pub use style::Style;
