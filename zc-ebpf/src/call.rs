//! A call of a hooked function, by whatever it is hooked: the body of a probe is written
//! once, against these traits.

use aya_ebpf::{
    EbpfContext as _,
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use zc_common::slot::Frame;

use crate::{frames, memory, sites::Context};

/// A call, as seen on entry.
pub trait Call {
    /// What the program is run with.
    fn context(&self) -> Context;

    /// An argument, by position from 0.
    fn argument(&self, position: usize) -> u64;

    /// An argument that verifiers before 6.12 let no typed program load, a pointer to
    /// no structure; none if it cannot be read.
    fn untyped(&self, position: usize) -> Option<u64> {
        Some(self.argument(position))
    }

    /// Loads a field of what an argument points to; none if it cannot be read.
    fn load<T: Copy + Default>(&self, field: u64) -> Option<T>;
}

/// A call, as seen on return.
pub trait Return: Call {
    /// What the function returned.
    fn returned(&self) -> u64;
}

/// Loads a field by a plain load.
#[inline(always)]
fn typed<T: Copy>(field: u64) -> Option<T> {
    // SAFETY: the field is one of a typed pointer's, as the loader checks the prototype,
    // and the verifier the load.
    Some(unsafe { (field as *const T).read_volatile() })
}

/// By fentry: arguments are typed.
pub struct Enter(pub FEntryContext);

impl Call for Enter {
    #[inline(always)]
    fn context(&self) -> Context {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn argument(&self, position: usize) -> u64 {
        self.0.arg(position)
    }

    #[inline(always)]
    fn untyped(&self, position: usize) -> Option<u64> {
        memory::kernel(self.0.as_ptr() as u64 + 8 * position as u64)
    }

    #[inline(always)]
    fn load<T: Copy + Default>(&self, field: u64) -> Option<T> {
        typed(field)
    }
}

/// By fexit: arguments are typed, and still there.
pub struct Exit {
    context: FExitContext,
    returned: u64,
}

impl Exit {
    /// The return of a function of so many arguments: what it returned stands after them.
    #[inline(always)]
    pub fn new(context: FExitContext, arguments: u32) -> Self {
        let returned = match arguments {
            1 => memory::word::<1>(context.as_ptr()),
            2 => memory::word::<2>(context.as_ptr()),
            3 => memory::word::<3>(context.as_ptr()),
            4 => memory::word::<4>(context.as_ptr()),
            5 => memory::word::<5>(context.as_ptr()),
            6 => memory::word::<6>(context.as_ptr()),
            7 => memory::word::<7>(context.as_ptr()),
            _ => 0,
        };
        Self { context, returned }
    }
}

impl Call for Exit {
    #[inline(always)]
    fn context(&self) -> Context {
        self.context.as_ptr()
    }

    #[inline(always)]
    fn argument(&self, position: usize) -> u64 {
        self.context.arg(position)
    }

    #[inline(always)]
    fn untyped(&self, position: usize) -> Option<u64> {
        memory::kernel(self.context.as_ptr() as u64 + 8 * position as u64)
    }

    #[inline(always)]
    fn load<T: Copy + Default>(&self, field: u64) -> Option<T> {
        typed(field)
    }
}

impl Return for Exit {
    #[inline(always)]
    fn returned(&self) -> u64 {
        self.returned
    }
}

/// By kprobe: arguments lie in registers, and have no type.
pub struct Probed(pub ProbeContext);

impl Call for Probed {
    #[inline(always)]
    fn context(&self) -> Context {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn argument(&self, position: usize) -> u64 {
        self.0.arg(position).unwrap_or(0)
    }

    #[inline(always)]
    fn load<T: Copy + Default>(&self, field: u64) -> Option<T> {
        memory::kernel(field)
    }
}

impl Probed {
    /// Where the return address lies: on top of the stack.
    #[inline(always)]
    pub fn stack(&self) -> u64 {
        // SAFETY: the context is valid while the program runs.
        unsafe { (&raw const (*self.0.regs).rsp).read_volatile() }
    }
}

/// The positions of arguments to keep; what is left over keeps the first.
pub const fn positions(wanted: &[usize]) -> [usize; Frame::ARGUMENTS] {
    let (mut positions, mut next) = ([0; Frame::ARGUMENTS], 0);
    while next < wanted.len() {
        positions[next] = wanted[next];
        next += 1;
    }
    positions
}

/// By kretprobe: the arguments are those that a kprobe kept.
pub struct Kept {
    context: Context,
    arguments: [u64; Frame::ARGUMENTS],
    positions: [usize; Frame::ARGUMENTS],
    returned: u64,
}

impl Kept {
    /// The return of a function, if its entry was seen.
    #[inline(always)]
    pub fn of(
        context: &RetProbeContext,
        function: u64,
        positions: [usize; Frame::ARGUMENTS],
    ) -> Option<Self> {
        // SAFETY: as above; the return address has just been taken off the stack.
        let stack = unsafe { (&raw const (*context.regs).rsp).read_volatile() } - 8;
        let frame = frames::leave(stack, function)?;
        let (arguments, returned) = (frame.arguments, context.ret());
        Some(Self { context: context.as_ptr(), arguments, positions, returned })
    }
}

impl Call for Kept {
    #[inline(always)]
    fn context(&self) -> Context {
        self.context
    }

    #[inline(always)]
    fn argument(&self, position: usize) -> u64 {
        let [first, second, third] = self.arguments;
        match self.positions {
            [kept, ..] if kept == position => first,
            [_, kept, _] if kept == position => second,
            _ => third,
        }
    }

    #[inline(always)]
    fn load<T: Copy + Default>(&self, field: u64) -> Option<T> {
        memory::kernel(field)
    }
}

impl Return for Kept {
    #[inline(always)]
    fn returned(&self) -> u64 {
        self.returned
    }
}
