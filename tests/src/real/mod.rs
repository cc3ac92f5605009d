//! Real programs, from Debian's packages, each judged by `zc verify`: what they do is known
//! from their sources and from strace, what they copy is asserted.
//!
//! [`CASES`] is the table: a row a program and a way to run it, with what it must copy;
//! `docs/programs.md` derives from it ([`page`]). [`scene`] sets a case up, runs it under
//! `zc verify`, or `zc advise`, and plays its peer; [`report`] is what the former then says.

pub mod case;
mod nginx;
pub mod page;
pub mod report;
pub mod scene;

pub use case::{CASES, Case};
