//! Arithmetic on readings: no kernel, no clock of its own, no `unsafe`.
//!
//! [`ledger`] books deltas to processes and groups ([`group`]), in [`sparse`] tallies; a
//! [`template`] names groups by the [`identity`] of who is in them ([`cgroup`]: what a path
//! says); [`summary`] turns a tally into rows; a [`snapshot`] is every group at one instant;
//! [`sampler`] does one pass whenever asked; [`audit`] holds the books against another
//! count of the same bytes; [`coverage`] says how well each route is measured, [`probes`] by what, and
//! [`tax`] at which cost; [`site`] sums
//! what was copied by stack, [`flame`] for a picture of all; [`path`] holds what a path cost against the textbook.
//!
//! [`deltas`] tells what each group did since the snapshot before: [`recording`] puts it into a
//! file, [`history`] into rings of bounded memory; [`difference`] compares two files. [`time`] and [`bytes`] read what people write.
//!
//! For a verdict, [`tree`] tells which processes belong together, [`traffic`] sums what they
//! did by route, [`judgement`] holds it to a [`policy`], [`reason`] says why bytes were
//! copied and [`hint`] what to do about it; [`advice`] says whom to tell to use something else.
//! [`top`] makes rows of two looks at totals.

pub mod advice;
pub mod audit;
pub mod bytes;
pub mod cgroup;
pub mod coverage;
pub mod deltas;
pub mod difference;
pub mod flame;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
pub mod group;
pub mod hint;
pub mod history;
pub mod identity;
pub mod judgement;
pub mod ledger;
pub mod path;
pub mod policy;
pub mod probes;
pub mod reason;
pub mod recording;
pub mod sampler;
pub mod site;
pub mod snapshot;
pub mod sparse;
pub mod summary;
pub mod tax;
pub mod template;
pub mod time;
pub mod top;
pub mod traffic;
pub mod tree;
