//! Snapshot in, text out: no clock, no kernel, no `/proc`.

pub mod audit;
pub mod doctor;
pub mod family;
pub mod json;
pub mod landing;
pub mod path;
pub mod prometheus;
pub mod site;
pub mod verify;
