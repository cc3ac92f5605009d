//! What a daemon has to do with who starts it: its socket, and how it says how it is.

pub mod listen;
pub mod notify;
