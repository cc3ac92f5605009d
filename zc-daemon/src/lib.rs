//! zc's daemon. The code map and its rules are in `ARCHITECTURE.md`; floors, each
//! using only those below it:
//!
//! * [`command`]: wires things up;
//! * [`view`], [`server`]: snapshot in, text out;
//! * [`engine`]: arithmetic on readings;
//! * [`kernel`], [`host`]: the outside world.

pub mod cli;
pub mod command;
pub mod engine;
pub mod host;
pub mod kernel;
pub mod server;
pub mod shutdown;
pub mod view;
