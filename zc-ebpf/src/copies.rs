//! Copies seen: who made them, by which route, in which direction.
//!
//! Every hook that sees a copy ends here. None of the functions hooked calls another
//! one on the same bytes, so that no byte is charged twice.

use zc_common::{
    calls::IS_HOOKED,
    classify,
    fallback::Reason,
    file::O_DIRECT,
    flow::{Direction, Route},
    slot::Slot,
    syscall::{NUMBERS, ROUTE_OF},
};

use crate::{
    call::Call,
    charge,
    descriptor::File,
    iter::Memory,
    memory,
    settings::{FILE_FLAGS, KIOCB_COMPLETE, KIOCB_FILE, SETTLE_EACH, on},
    sites,
    task::{Context, Current},
    threads,
};

/// Set in [`CALLS`] for a call that is hooked itself.
const HOOKED: u8 = 0x80;

/// The route of each call, and whether it is hooked.
#[unsafe(no_mangle)]
static CALLS: [u8; NUMBERS] = {
    let mut calls = ROUTE_OF;
    let mut number = 0;
    while number < NUMBERS {
        calls[number] |= HOOKED * IS_HOOKED[number];
        number += 1;
    }
    calls
};

/// What the running task copies for.
#[derive(Clone, Copy)]
struct Cause {
    /// By which route, as a position in [`Route::ALL`].
    route: u8,
    /// Whether what is seen is settled in the end: as a hooked call returns or a request
    /// completes.
    settled: bool,
}

impl Cause {
    /// A system call; beyond the table it is another one, or none.
    #[inline(always)]
    fn of_call(number: u32) -> Self {
        let row = if number < NUMBERS as u32 { row(number) } else { Route::Other as u8 };
        Self { route: row & !HOOKED, settled: on(&SETTLE_EACH) || row & HOOKED != 0 }
    }

    #[inline(always)]
    fn of_context(context: Context) -> Self {
        match context {
            Context::Call(number) => Self::of_call(number),
            Context::RingWorker => Self { route: Route::IoUring as u8, settled: true },
            Context::Kernel => Self { route: Route::Other as u8, settled: true },
        }
    }

    /// The same for a message of these flags.
    #[inline(always)]
    fn of_message(current: Current, flags: u32) -> Self {
        let mut cause = Self::of_context(current.context());
        let asked = u64::from(flags) & classify::MSG_ZEROCOPY != 0;
        if asked && cause.route == Route::Send as u8 {
            cause.route = Route::MsgZerocopy as u8;
        }
        cause
    }
}

/// Which way the bytes of an iterator went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Into what it walks over.
    Read,
    /// Out of it.
    Write,
}

impl Way {
    /// The direction of a copy to or from user memory.
    #[inline(always)]
    const fn direction(self) -> Direction {
        match self {
            Self::Read => Direction::ToUser,
            Self::Write => Direction::FromUser,
        }
    }
}

/// Notes bytes that the call under way passes on by reference.
#[inline(always)]
pub fn link(bytes: i64) {
    let current = Current::take();
    if bytes > 0
        && let Some(slot) = threads::of(current)
    {
        let settled = Cause::of_context(current.context()).settled;
        charge::keep(slot, settled, 0, bytes as u64);
    }
}

/// A copy between a file and an iterator, of as many bytes as the function returned.
///
/// Pages in an iterator are a process' own, registered with an io_uring, if the call
/// need not wait for its end (`kiocb.ki_complete`); else they are a pipe's.
#[inline(always)]
pub fn of_file(call: &impl Call, way: Way, kiocb: u64, memory: Memory, returned: i64) {
    if returned <= 0 || memory == Memory::None {
        return;
    }
    let complete = call.load::<u64>(kiocb + u64::from(KIOCB_COMPLETE.load()));
    let Some(complete) = complete else { return };
    let current = Current::take();
    let context = current.context();
    let waits = complete == 0;
    let mut cause = Cause::of_context(context);
    if let Context::Call(_) = context {
        if waits {
            cause.route = buffered(call, cause.route, kiocb);
        } else if cause.route != Route::Aio as u8 {
            cause.route = Route::IoUring as u8;
        }
    }
    let user = match memory {
        Memory::User => true,
        Memory::Pages => !waits && context != Context::Kernel,
        Memory::Kernel | Memory::None => false,
    };
    let reason = match way {
        Way::Write if !user => Some(Reason::FileSink),
        Way::Read if !user => Some(Reason::Source),
        Way::Read | Way::Write if cause.route == Route::DirectIo as u8 => Some(Reason::Buffered),
        Way::Read | Way::Write => None,
    };
    let direction = if user { way.direction() } else { Direction::InKernel };
    charge(call, current, cause, direction, returned as u64, reason);
}

/// The same where it is the page cache's, or that of a file system like it.
///
/// Most such copies are those of a read or write by system call: only these wait for their
/// end (`ki_complete` is null) and have user memory in their iterator. They are kept
/// pending, and charged as the call returns, which needs not find out what they were for.
#[inline(always)]
pub fn of_cache(call: &impl Call, way: Way, kiocb: u64, memory: Memory, returned: i64) {
    let may_be = memory == Memory::User && returned > 0 && !sites::are_kept();
    if !may_be || !defer(call, kiocb, returned as u64) {
        of_file(call, way, kiocb, memory, returned);
    }
}

/// Keeps a copy pending if it is such a call's; a file that asks for direct I/O is left to
/// others. Whether it was.
#[inline(always)]
fn defer(call: &impl Call, kiocb: u64, bytes: u64) -> bool {
    let complete = call.load::<u64>(kiocb + u64::from(KIOCB_COMPLETE.load()));
    let flags = |file: u64| call.load::<u32>(file + u64::from(FILE_FLAGS.load()));
    let flags = call.load(kiocb + u64::from(KIOCB_FILE.load())).and_then(flags);
    if complete != Some(0) || flags.is_none_or(|flags| flags & O_DIRECT != 0) {
        return false;
    }
    let current = Current::take();
    if !current.is_in_own_call() {
        return false;
    }
    let Some(slot) = threads::known(current).and_then(threads::at) else { return false };
    // SAFETY: `slot` points into `SLOTS`; the word is its owner's own.
    unsafe { (*slot).pending += (1 << Slot::PENDING_COPIES) + bytes };
    true
}

/// The route of a read or write that turned out to be buffered although the file
/// asks for direct I/O: that of the flow it is booked under.
#[inline(always)]
fn buffered(call: &impl Call, route: u8, kiocb: u64) -> u8 {
    if route != Route::Read as u8 && route != Route::Write as u8 {
        return route;
    }
    let field = kiocb + u64::from(KIOCB_FILE.load());
    let flags = |file: u64| call.load::<u32>(file + u64::from(FILE_FLAGS.load()));
    let flags = call.load(field).and_then(flags).unwrap_or(0);
    if flags & O_DIRECT == 0 {
        return route;
    }
    // As a bare number, which is all that a function of its own takes.
    memory::kernel(field).map_or(route, |file| direct(route.into(), file) as u8)
}

/// The same for a file that does ask for it.
#[inline(never)]
#[unsafe(export_name = "direct_route")]
fn direct(route: u64, file: u64) -> u64 {
    let kind = File::at(file).kind();
    let read = route == Route::Read as u64;
    let flow = if read { classify::read(kind) } else { classify::write(kind) };
    flow.row().route as u64
}

/// A copy between a socket and an iterator. Pages are a process' own if an io_uring
/// sends or receives them, else a pipe's.
#[inline(always)]
pub fn of_socket(call: &impl Call, way: Way, memory: Memory, flags: u32, bytes: i64) {
    of_sink(call, way, memory, flags, bytes, Reason::SocketSink);
}

/// The same, with what to say of pages that were not taken as they are.
#[inline(always)]
pub fn of_sink(call: &impl Call, way: Way, memory: Memory, flags: u32, bytes: i64, sink: Reason) {
    if bytes <= 0 || memory == Memory::None {
        return;
    }
    let current = Current::take();
    let cause = Cause::of_message(current, flags);
    let user = match memory {
        Memory::User => true,
        Memory::Pages => cause.route == Route::IoUring as u8,
        Memory::Kernel | Memory::None => false,
    };
    let reason = match way {
        Way::Write if !user => Some(sink),
        Way::Write => Some(Reason::NotTaken),
        Way::Read => None,
    };
    let direction = if user { way.direction() } else { Direction::InKernel };
    charge(call, current, cause, direction, bytes as u64, reason);
}

/// A copy between the kernel and the memory of a process.
#[inline(always)]
pub fn of_user(call: &impl Call, way: Way, bytes: i64) {
    if bytes > 0 {
        let current = Current::take();
        let cause = Cause::of_context(current.context());
        charge(call, current, cause, way.direction(), bytes as u64, None);
    }
}

/// A copy between the kernel and what a driver was handed for it: pages of the process
/// itself, or of a pipe.
#[inline(always)]
pub fn of_pages(call: &impl Call, way: Way, user: bool, bytes: i64) {
    if bytes > 0 {
        let direction = if user { way.direction() } else { Direction::InKernel };
        let current = Current::take();
        let cause = Cause::of_context(current.context());
        charge(call, current, cause, direction, bytes as u64, None);
    }
}

/// A copy into memory that a process has registered with an io_uring, where its bytes
/// should have been from the start.
#[inline(always)]
pub fn of_ring(call: &impl Call, bytes: i64) {
    if bytes > 0 {
        let current = Current::take();
        let cause = Cause { route: Route::IoUring as u8, ..Cause::of_context(current.context()) };
        charge(call, current, cause, Direction::ToUser, bytes as u64, Some(Reason::Source));
    }
}

/// The route that the running task is on; `flags` are those of a message, if it
/// sends one.
#[inline(always)]
pub fn current_route(flags: u32) -> u8 {
    Cause::of_message(Current::take(), flags).route
}

/// The route of a system call.
#[inline(always)]
pub fn route_of(number: u32) -> u8 {
    Cause::of_call(number).route
}

/// Whether a system call settles what is seen in it.
#[inline(always)]
pub fn is_settled(number: u32) -> bool {
    Cause::of_call(number).settled
}

/// What is known of a call in the table. The read is volatile: see `sys_exit`.
#[inline(always)]
fn row(number: u32) -> u8 {
    let row = &raw const CALLS[number as usize & (NUMBERS - 1)];
    // SAFETY: the mask keeps `row` within the table.
    unsafe { row.read_volatile() }
}

/// Charges one copy to the running thread, and if the route promises to do without, why
/// it did not.
#[inline(always)]
fn charge(
    call: &impl Call,
    current: Current,
    cause: Cause,
    direction: Direction,
    bytes: u64,
    reason: Option<Reason>,
) {
    if let Some(slot) = threads::of(current) {
        let Cause { route, settled } = cause;
        charge::copied_aside(slot, route, direction, bytes);
        charge::keep(slot, settled, bytes, 0);
        sites::copied(call.context(), route, direction, bytes);
        if let Some(reason) = reason {
            charge::fell_back(slot, route, reason, bytes);
        }
    }
}
