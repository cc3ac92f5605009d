//! Snapshot in, text out: no clock, no kernel, no `/proc`.

pub mod advise;
pub mod audit;
pub mod doctor;
pub mod family;
pub mod flame;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
pub mod groups;
pub mod history;
mod inert;
pub mod json;
pub mod landing;
pub mod path;
pub mod prometheus;
pub mod report;
pub mod site;
pub mod top;
mod totals;
pub mod verify;
