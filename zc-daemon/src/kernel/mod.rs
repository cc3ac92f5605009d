//! The edge to the kernel: the only user of `aya`, and of `unsafe`.
//!
//! [`hooks`] says what there is to attach, [`ladder`] what by, [`sizes`] how large, [`loader`]
//! attaches it, [`slots`] reads what was charged, [`meter`] what that costs, [`sites`] at
//! which call sites, [`events`] of what is no copy; [`arguments`] and [`cgroups`] say who was charged; [`breakpoints`] and
//! [`watch`] are the same for an audit, and [`relays`] for advice. [`mod@reference`] and [`path`] move bytes themselves.
//! The engine sees none of this: it is handed [`zc_common::slot::Reading`]s.

pub mod arguments;
pub mod breakpoints;
pub mod btf;
mod calls;
pub mod capabilities;
pub mod cgroups;
mod copying;
mod cpus;
pub mod events;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod handed;
pub mod hooks;
mod immediates;
pub mod ladder;
pub mod loader;
pub mod meter;
pub mod misses;
pub mod network;
pub mod object;
pub mod path;
pub mod place;
pub mod reference;
pub mod relays;
mod ring;
pub mod settings;
pub mod sites;
pub mod sizes;
pub mod slots;
pub mod watch;
