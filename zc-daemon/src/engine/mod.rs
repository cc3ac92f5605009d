//! Arithmetic on readings: no kernel, no clock of its own, no `unsafe`.
//!
//! [`ledger`] books deltas to processes and groups; [`summary`] turns a tally
//! into rows; a [`snapshot`] is every group and process at one instant;
//! [`sampler`] does one pass whenever asked; [`audit`] holds the books against another
//! count of the same bytes; [`coverage`] says how well each route is measured; [`site`] sums what was
//! copied by stack.

pub mod audit;
pub mod coverage;
pub mod group;
pub mod ledger;
pub mod sampler;
pub mod site;
pub mod snapshot;
pub mod summary;
