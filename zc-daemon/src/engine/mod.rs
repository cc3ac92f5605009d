//! Arithmetic on readings: no kernel, no clock of its own, no `unsafe`.
//!
//! [`ledger`] books deltas to processes and groups, in [`sparse`] tallies; [`summary`] turns a tally
//! into rows; a [`snapshot`] is every group at one instant;
//! [`sampler`] does one pass whenever asked; [`audit`] holds the books against another
//! count of the same bytes; [`coverage`] says how well each route is measured, [`probes`] by what, and
//! [`tax`] at which cost; [`site`] sums
//! what was copied by stack; [`path`] holds what a path cost against the textbook.
//!
//! For a verdict, [`tree`] tells which processes belong together, [`traffic`] sums what they
//! did by route, [`judgement`] holds it to a [`policy`], [`reason`] says why bytes were
//! copied and [`hint`] what to do about it.

pub mod audit;
pub mod bytes;
pub mod coverage;
pub mod group;
pub mod hint;
pub mod judgement;
pub mod ledger;
pub mod path;
pub mod policy;
pub mod probes;
pub mod reason;
pub mod sampler;
pub mod site;
pub mod snapshot;
pub mod sparse;
pub mod summary;
pub mod tax;
pub mod traffic;
pub mod tree;
