//! Does exactly known I/O, to check what the daemon counts.
//!
//! The harness tells processes apart by comm, so it runs this binary through
//! links with names of their own. Nothing is printed on success. A case that this
//! kernel or file system cannot run exits with 77, any other failure with 1, and
//! both say why in one sentence.
//!
//! Start-up must move the same bytes every time, so that they can be subtracted.
//! The standard library's would read `/proc/self/maps`, whose length is not
//! known beforehand: hence a `main` of its own. (glibc tells the standard library
//! the arguments without its start-up.)

#![no_main]

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use zc_tests::workload::{self, Case, Change, Executor, Leader, Pages, Params, Storm, Unsupported};

/// Does exactly known I/O.
#[derive(Debug, Parser)]
#[command(name = "workload", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the names of the cases
    List,
    /// Fork short-lived children that each read 4096 bytes of DIR/data
    Spawn {
        /// How many
        #[arg(long)]
        count: u64,
        /// Where the file `data` is
        #[arg(long)]
        dir: PathBuf,
    },
    /// Write to fresh pages, then wait for a byte on the standard input
    Faults {
        /// How many
        #[arg(long)]
        pages: u64,
        /// Of a private mapping of this file; else of memory
        #[arg(long)]
        file: Option<PathBuf>,
        /// Of a shared mapping of it
        #[arg(long, requires = "file")]
        shared: bool,
        /// Write to one, and wait for a byte, before that
        #[arg(long)]
        wait: bool,
    },
    /// Give up the processor, then wait for a byte on the standard input
    Switches {
        /// How many times
        #[arg(long)]
        count: u64,
    },
    /// Write 5 bytes, take another name, write 7, then wait for a byte on the standard input
    Rename {
        /// The new name
        #[arg(long)]
        to: String,
    },
    /// Write 5 bytes, wait for a byte, become something else, write 7, wait for another byte
    Change {
        /// This user
        #[arg(long, conflicts_with = "networks")]
        user: Option<u32>,
        /// One of another network, and of its own again
        #[arg(long)]
        networks: bool,
    },
    /// Become this program anew, again and again, then wait for a byte on the standard input
    Execs {
        /// How many times
        #[arg(long)]
        count: u64,
        /// Which thread does it
        #[arg(long, default_value = "leader")]
        by: Executor,
    },
    /// Move bytes of DIR/data by every route at a time, among signals and faults
    Stress {
        /// For how long
        #[arg(long)]
        seconds: u64,
        /// Where the file `data` is
        #[arg(long)]
        dir: PathBuf,
    },
    /// Make short-lived children that each move a number of bytes of their own
    Storm {
        /// For how long
        #[arg(long)]
        seconds: u64,
        /// The most a second
        #[arg(long)]
        rate: u64,
        /// This program by another name, which some become
        #[arg(long)]
        program: PathBuf,
        /// One in so many
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        exec_every: u64,
        /// Where the file `data` is
        #[arg(long)]
        dir: PathBuf,
    },
    /// Have threads move bytes, wait for a byte on the standard input, do both again, and end
    Team {
        /// How many
        #[arg(long)]
        threads: usize,
        /// What each of them moves each time
        #[arg(long)]
        bytes: usize,
        /// End the first thread before the others move anything
        #[arg(long)]
        leaderless: bool,
        /// Have the first thread sleep until the others have ended
        #[arg(long, conflicts_with = "leaderless")]
        idle_leader: bool,
    },
    /// Have workers of a ring read DIR/data by requests of 4096 bytes, wait for a byte on the
    /// standard input, complete them, and wait again
    HandOver {
        /// How many requests
        #[arg(long)]
        count: usize,
        /// Where the file `data` is
        #[arg(long)]
        dir: PathBuf,
    },
    /// Have a child send by reference and sleep, wait for a byte on the standard input, receive
    /// all, and wait again
    Owe,
    /// Wait in the middle of a receive; for a byte on the standard input send the rest, and wait
    /// again
    Halve,
    /// Have one thread wait in the middle of a call while another one moves bytes
    Interleave {
        /// How many times
        #[arg(long)]
        rounds: u32,
    },
    /// Wait for a byte on the standard input, read DIR/data at a known place, wait again
    Site {
        #[command(flatten)]
        params: ParamArguments,
        /// The place is code that is made at run time
        #[arg(long)]
        compiled: bool,
    },
    /// Take bytes in and put them out
    Relay(workload::Relay),
    /// Be many processes that each move bytes at a line of the standard input, and sleep
    Crowd(workload::Crowd),
    /// Wait for a byte on the standard input
    Hold,
    /// Prepare or run the case of this name
    #[command(external_subcommand)]
    Case(Vec<OsString>),
}

/// Does one case.
#[derive(Debug, Parser)]
struct CaseArguments {
    action: Action,
    #[command(flatten)]
    params: ParamArguments,
    /// How many times to run the case; 0 is the start-up alone
    #[arg(long, default_value_t = 1)]
    repeat: u64,
    /// Wait for a byte on the standard input, or its end, before the case
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Make the files of the case
    Prepare,
    /// Do the I/O
    Run,
    /// Print the rows of one run
    Expect,
}

#[derive(Debug, Args)]
struct ParamArguments {
    /// Bytes by each route
    #[arg(long, default_value_t = 1 << 20, value_parser = clap::value_parser!(u64).range(1..))]
    bytes: u64,
    /// Bytes by each call
    #[arg(long, default_value_t = 1 << 16, value_parser = clap::value_parser!(u64).range(1..))]
    chunk: u64,
    /// Where the files are
    #[arg(long)]
    dir: PathBuf,
}

impl From<ParamArguments> for Params {
    fn from(ParamArguments { bytes, chunk, dir }: ParamArguments) -> Self {
        Self { bytes, chunk, dir }
    }
}

/// The exit code of a case that cannot be run here.
const CANNOT_RUN: i32 = 77;

/// The C entry point.
// SAFETY: no other crate of this binary defines `main`: `no_main` leaves it out.
#[unsafe(no_mangle)]
extern "C" fn main(_: libc::c_int, _: *const *const libc::c_char) -> libc::c_int {
    workload::ignore_broken_pipes();
    match run() {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

/// Says what went wrong, and how to exit.
fn fail(error: &anyhow::Error) -> i32 {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // There is nobody to tell that the message could not be printed.
        let _ = usage.print();
        return usage.exit_code();
    }
    let _ = writeln!(io::stderr(), "workload: {error:#}");
    if error.is::<Unsupported>() { CANNOT_RUN } else { 1 }
}

fn run() -> Result<()> {
    match Arguments::try_parse_from(env::args_os())?.command {
        Command::List => list(),
        Command::Spawn { count, dir } => workload::spawn(count, &dir),
        Command::Faults { pages, file, shared, wait } => {
            let of = match file {
                None => Pages::Anonymous,
                Some(file) if shared => Pages::Shared(file),
                Some(file) => Pages::Private(file),
            };
            workload::faults(pages, &of, wait)
        }
        Command::Switches { count } => workload::switches(count),
        Command::Rename { to } => workload::rename(&to),
        Command::Change { user, networks } => workload::change(match user {
            Some(user) => Change::User(user),
            None if networks => Change::Networks,
            None => Change::None,
        }),
        Command::Execs { count, by } => workload::execs(count, by),
        Command::Stress { seconds, dir } => workload::stress(seconds, &dir),
        Command::Storm { seconds, rate, program, exec_every, dir } => {
            workload::storm(&Storm { seconds, rate, program, exec_every, dir })
        }
        Command::Team { threads, bytes, leaderless, idle_leader } => {
            let leader = if leaderless {
                Leader::Leaves
            } else if idle_leader {
                Leader::Sleeps
            } else {
                Leader::Stays
            };
            workload::team(threads, bytes, leader)
        }
        Command::HandOver { count, dir } => workload::hand_over(count, &dir),
        Command::Owe => workload::owe(),
        Command::Halve => workload::halve(),
        Command::Interleave { rounds } => workload::interleave(rounds),
        Command::Site { params, compiled } => workload::known_site(&params.into(), compiled),
        Command::Relay(relay) => relay.run(),
        Command::Crowd(crowd) => workload::crowd(crowd),
        Command::Hold => workload::hold(),
        Command::Case(arguments) => run_case(&arguments),
    }
}

/// Runs the case that the first of `arguments` names.
fn run_case(arguments: &[OsString]) -> Result<()> {
    let name = arguments.first().and_then(|name| name.to_str()).unwrap_or_default();
    let case = workload::find(name)
        .with_context(|| format!("there is no case {name:?}; `workload list` has them all"))?;
    let CaseArguments { action, params, repeat, wait } = CaseArguments::try_parse_from(arguments)?;
    let params = params.into();
    if wait {
        workload::hold()?;
    }
    match action {
        Action::Prepare => (case.prepare)(&params),
        Action::Run => (0..repeat).try_for_each(|_| (case.run)(&params)),
        Action::Expect => print_expected(case, &params),
    }
}

fn list() -> Result<()> {
    let mut out = io::stdout().lock();
    for case in workload::CASES {
        writeln!(out, "{}", case.name)?;
    }
    out.flush().context("cannot print the list")
}

fn print_expected(case: &Case, params: &Params) -> Result<()> {
    let expected = (case.expected)(params);
    let mut out = io::stdout().lock();
    for row in &expected.moved {
        writeln!(out, "moved {} {} {} {}", row.route, row.endpoint, row.bytes, row.calls)?;
    }
    for row in &expected.copied {
        writeln!(out, "copied {} {} {} {}", row.route, row.direction, row.bytes, row.copies)?;
    }
    for row in &expected.measured {
        writeln!(out, "measured {} {} {} {}", row.route, row.direction, row.bytes, row.copies)?;
    }
    for row in &expected.unhooked {
        writeln!(out, "unhooked {} {} {} {}", row.route, row.direction, row.bytes, row.copies)?;
    }
    if expected.slack > 0 {
        writeln!(out, "slack {}", expected.slack)?;
    }
    for row in &expected.unknown {
        writeln!(out, "unknown {} {} {}", row.route, row.endpoint, row.bytes)?;
    }
    out.flush().context("cannot print the rows")
}
