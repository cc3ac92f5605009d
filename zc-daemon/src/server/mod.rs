//! The HTTP side: what is served where, to whom, and how much at a time.
//!
//! A connection takes a seat (`crowd`) and is timed (`phase`); its requests are answered by
//! the `pages`, those that cost a reading within `reading`'s bounds.

mod body;
mod connection;
mod crowd;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod history;
mod limits;
mod negotiate;
mod pages;
mod phase;
mod reading;
mod serve;
pub(crate) mod web_config;

pub use limits::Limits;
pub use pages::{PATHS, Served, router};
pub use serve::{Site, serve};
pub use web_config::WebConfig;
