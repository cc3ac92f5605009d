//! Copies seen: who made them, by which route, in which direction.
//!
//! Every hook that sees a copy ends here. None of the functions hooked calls another
//! one on the same bytes, so that no byte is charged twice.

use zc_common::{
    classify,
    fallback::Reason,
    file::O_DIRECT,
    flow::{Direction, Route},
    syscall::{NUMBERS, ROUTE_OF},
};

use crate::{
    call::Call,
    charge,
    descriptor::File,
    iter::Memory,
    memory, rings,
    settings::{FILE_FLAGS, KIOCB_COMPLETE, KIOCB_FILE},
    sites,
    task::{self, Context},
    threads,
};

#[unsafe(no_mangle)]
static ROUTES: [u8; NUMBERS] = ROUTE_OF;

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
    if bytes > 0
        && let Some(slot) = threads::running()
    {
        // SAFETY: `slot` points into `SLOTS`; the word is its owner's own.
        unsafe { (*slot).linked += bytes as u64 };
        rings::keep(slot, 0, bytes as u64);
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
    let context = task::context();
    let waits = complete == 0;
    let route = match context {
        Context::Call(number) => {
            let route = route_of(number);
            if waits {
                buffered(call, route, kiocb)
            } else if route == Route::Aio as u8 {
                route
            } else {
                Route::IoUring as u8
            }
        }
        Context::RingWorker => Route::IoUring as u8,
        Context::Kernel => Route::Other as u8,
    };
    let user = match memory {
        Memory::User => true,
        Memory::Pages => !waits && context != Context::Kernel,
        Memory::Kernel | Memory::None => false,
    };
    let reason = match way {
        Way::Write if !user => Some(Reason::FileSink),
        Way::Read if !user => Some(Reason::Source),
        Way::Read | Way::Write if route == Route::DirectIo as u8 => Some(Reason::Buffered),
        Way::Read | Way::Write => None,
    };
    let direction = if user { way.direction() } else { Direction::InKernel };
    charge(call, route, direction, returned as u64, reason);
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
    let route = current_route(flags);
    let user = match memory {
        Memory::User => true,
        Memory::Pages => route == Route::IoUring as u8,
        Memory::Kernel | Memory::None => false,
    };
    let reason = match way {
        Way::Write if !user => Some(sink),
        Way::Write => Some(Reason::NotTaken),
        Way::Read => None,
    };
    let direction = if user { way.direction() } else { Direction::InKernel };
    charge(call, route, direction, bytes as u64, reason);
}

/// A copy between the kernel and the memory of a process.
#[inline(always)]
pub fn of_user(call: &impl Call, way: Way, bytes: i64) {
    if bytes > 0 {
        charge(call, current_route(0), way.direction(), bytes as u64, None);
    }
}

/// A copy between the kernel and what a driver was handed for it: pages of the process
/// itself, or of a pipe.
#[inline(always)]
pub fn of_pages(call: &impl Call, way: Way, user: bool, bytes: i64) {
    if bytes > 0 {
        let direction = if user { way.direction() } else { Direction::InKernel };
        charge(call, current_route(0), direction, bytes as u64, None);
    }
}

/// A copy into memory that a process has registered with an io_uring, where its bytes
/// should have been from the start.
#[inline(always)]
pub fn of_ring(call: &impl Call, bytes: i64) {
    if bytes > 0 {
        let route = Route::IoUring as u8;
        charge(call, route, Direction::ToUser, bytes as u64, Some(Reason::Source));
    }
}

/// The route that the running task is on; `flags` are those of a message, if it
/// sends one.
#[inline(always)]
pub fn current_route(flags: u32) -> u8 {
    match task::context() {
        Context::Call(number) => {
            let route = route_of(number);
            let asked = u64::from(flags) & classify::MSG_ZEROCOPY != 0;
            if asked && route == Route::Send as u8 { Route::MsgZerocopy as u8 } else { route }
        }
        Context::RingWorker => Route::IoUring as u8,
        Context::Kernel => Route::Other as u8,
    }
}

/// The route of a system call. The read is volatile: see `sys_exit`.
#[inline(always)]
pub fn route_of(number: u32) -> u8 {
    if number >= NUMBERS as u32 {
        return Route::Other as u8;
    }
    let row = &raw const ROUTES[number as usize & (NUMBERS - 1)];
    // SAFETY: the mask keeps `row` within the table.
    unsafe { row.read_volatile() }
}

/// Charges one copy to the running thread, and if the route promises to do without, why
/// it did not.
#[inline(always)]
fn charge(call: &impl Call, route: u8, direction: Direction, bytes: u64, reason: Option<Reason>) {
    if let Some(slot) = threads::running() {
        charge::copied(slot, route, direction, bytes);
        sites::copied(call.context(), route, direction, bytes);
        if let Some(reason) = reason {
            charge::fell_back(slot, route, reason, bytes);
        }
    }
}
