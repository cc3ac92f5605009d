//! zc's daemon. The code map and its rules are in `ARCHITECTURE.md`; floors, each
//! using only those below it:
//!
//! * [`command`]: wires things up;
//! * [`view`], [`server`]: snapshot in, text out;
//! * [`engine`]: arithmetic on readings;
//! * [`kernel`], [`host`]: the outside world;
//! * [`privileges`], [`service`]: what zc itself may do, and who starts it.

pub mod cli;
pub mod command;
pub mod config;
pub mod engine;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod host;
pub mod kernel;
pub mod logging;
pub mod privileges;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod view;
