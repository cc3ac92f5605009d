//! Snapshot in, text out: no clock, no kernel, no `/proc`.

pub mod advise;
pub mod audit;
pub mod diff;
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
mod recording;
pub mod report;
pub mod site;
pub mod top;
mod totals;
pub mod verify;

/// An amount that was calculated, to print: what is less than nothing is nothing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number to print")]
fn whole(amount: f64) -> u64 {
    amount.round().max(0.0) as u64
}
