//! A `task_struct`, read by plain loads that the verifier checks against the
//! kernel's BTF.

use aya_ebpf::{
    Global,
    bindings::pt_regs,
    helpers::{bpf_get_current_task, bpf_get_current_task_btf, bpf_task_pt_regs},
};

use zc_common::settings::ABSENT;

use crate::{
    memory,
    settings::{
        CGROUP_NODE, CGROUP_NODE_ID, CSS_SET_CGROUP, CURRENT_TASK_BTF, TASK_CGROUPS, TASK_COMM,
        TASK_FILES, TASK_FLAGS, TASK_GROUP_LEADER, TASK_MAJ_FLT, TASK_MIN_FLT, TASK_NIVCSW,
        TASK_NVCSW, TASK_PID, TASK_PT_REGS, TASK_REAL_PARENT, TASK_STACK, TASK_START_BOOTTIME,
        TASK_STATE, TASK_TGID, TASK_THREAD_INFO, THREAD_INFO_STATUS, on,
    },
};

/// `TASK_DEAD` (`include/linux/sched.h`, 5.10 to 7.3): the last switch of a task.
const DEAD: u32 = 0x80;
/// `PF_KTHREAD` (`include/linux/sched.h`).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// A pointer to a `task_struct` that came from a hook's argument or from
/// `bpf_get_current_task_btf`, so that the verifier knows its type.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

impl Task {
    /// Takes a hook's argument.
    ///
    /// # Safety
    ///
    /// The verifier must know `pointer` as a `task_struct`.
    #[inline(always)]
    pub unsafe fn new(pointer: *const u8) -> Self {
        Self(pointer)
    }

    /// The running task; none where the kernel has no typed helper for it
    /// (before 5.11).
    #[inline(always)]
    pub fn current() -> Option<Self> {
        if !on(&CURRENT_TASK_BTF) {
            return None;
        }
        // SAFETY: no precondition; the pointer is valid while the program runs.
        Some(Self(unsafe { bpf_get_current_task_btf() }.cast::<u8>()))
    }

    /// Its address, to tell tasks apart by.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Loads a field by a plain load.
    #[inline(always)]
    fn load<T: Copy>(self, offset: &'static Global<u32>) -> T {
        let field = self.0.wrapping_add(offset.load() as usize).cast::<T>();
        // SAFETY: the verifier checks that `T` lies within a field of the
        // structure that `self` points to; a bad address reads as zero.
        unsafe { field.read_volatile() }
    }

    #[inline(always)]
    pub fn pid(self) -> u32 {
        self.load(&TASK_PID)
    }

    #[inline(always)]
    pub fn tgid(self) -> u32 {
        self.load(&TASK_TGID)
    }

    /// Its own start since boot, in nanoseconds.
    #[inline(always)]
    pub fn start(self) -> u64 {
        self.load(&TASK_START_BOOTTIME)
    }

    #[inline(always)]
    pub fn is_dead(self) -> bool {
        self.load::<u32>(&TASK_STATE) & DEAD != 0
    }

    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        self.load::<u32>(&TASK_FLAGS) & KERNEL_THREAD != 0
    }

    /// The leader of its process.
    #[inline(always)]
    pub fn leader(self) -> Self {
        Self(self.load(&TASK_GROUP_LEADER))
    }

    /// The process that made its own; once that has ended, who took it in.
    #[inline(always)]
    pub fn parent(self) -> Self {
        Self(self.load::<*const u8>(&TASK_REAL_PARENT)).leader()
    }

    /// The id of its cgroup in the default hierarchy (`task_dfl_cgroup`, `cgroup_id`,
    /// include/linux/cgroup.h, 5.10 to 7.3).
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        if TASK_CGROUPS.load() == ABSENT {
            return 0;
        }
        let set = Self(self.load(&TASK_CGROUPS));
        let cgroup = Self(set.load(&CSS_SET_CGROUP));
        Self(cgroup.load(&CGROUP_NODE)).load(&CGROUP_NODE_ID)
    }

    #[inline(always)]
    pub fn comm(self) -> [u64; 2] {
        let comm = self.0.wrapping_add(TASK_COMM.load() as usize).cast::<u64>();
        // SAFETY: `comm` is 16 bytes long, as the verifier checks.
        unsafe { [comm.read_volatile(), comm.wrapping_add(1).read_volatile()] }
    }

    /// The words that the kernel keeps and zc mirrors, in counter order:
    /// voluntary and involuntary switches, minor and major faults.
    #[inline(always)]
    pub fn mirrored(self) -> [u64; 4] {
        [
            self.load(&TASK_NVCSW),
            self.load(&TASK_NIVCSW),
            self.load(&TASK_MIN_FLT),
            self.load(&TASK_MAJ_FLT),
        ]
    }

    /// Its descriptor table, typed.
    #[inline(always)]
    pub fn files(self) -> *const u8 {
        self.load(&TASK_FILES)
    }
}

/// The address of the running task.
#[inline(always)]
pub fn current_address() -> u64 {
    // SAFETY: no precondition.
    unsafe { bpf_get_current_task() }
}

/// The running task's descriptor table as a bare address, where there is no
/// typed pointer to it.
#[inline(always)]
pub fn current_files() -> Option<u64> {
    memory::kernel(current_address() + u64::from(TASK_FILES.load()))
}

/// `TS_COMPAT` (`arch/x86/include/asm/thread_info.h`): in a 32-bit system call.
const COMPAT: u32 = 2;

/// Whether the running task is in a 32-bit system call, whatever its code is.
#[inline(always)]
pub fn is_in_compat_call() -> bool {
    let offset = TASK_THREAD_INFO.load() + THREAD_INFO_STATUS.load();
    let status = match Task::current() {
        // SAFETY: the verifier checks that this lies within a field of the task.
        Some(task) => unsafe { task.0.wrapping_add(offset as usize).cast::<u32>().read_volatile() },
        None => memory::kernel(current_address() + u64::from(offset)).unwrap_or(0),
    };
    status & COMPAT != 0
}

/// The flags of the running task.
#[inline(always)]
fn current_flags() -> u32 {
    match Task::current() {
        Some(task) => task.load(&TASK_FLAGS),
        None => memory::kernel(current_address() + u64::from(TASK_FLAGS.load())).unwrap_or(0),
    }
}

/// On whose behalf the running task is in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Its own: in the system call of this number.
    Call(u32),
    /// It works for an io_uring of its process.
    RingWorker,
    /// It is one of the kernel's own threads, or works for a virtual machine.
    Kernel,
}

/// `PF_IO_WORKER` (`include/linux/sched.h`, 5.10 to 7.3). Such a worker's registers
/// are its creator's; in 5.10 it is one of the kernel's own threads.
const RING_WORKER: u32 = 0x10;
/// `PF_USER_WORKER` (since 6.4), set for vhost workers too; before, the bit meant that
/// a thread may be killed when memory runs out of a cgroup, which none of ours has.
const USER_WORKER: u32 = 0x4000;

/// The context of the running task; a system call's number is what it was entered
/// with.
#[inline(always)]
pub fn context() -> Context {
    let flags = current_flags();
    if flags & RING_WORKER != 0 {
        Context::RingWorker
    } else if flags & (KERNEL_THREAD | USER_WORKER) != 0 {
        Context::Kernel
    } else if is_in_compat_call() {
        Context::Call(u32::MAX)
    } else {
        Context::Call(call_number())
    }
}

/// The number of the system call that the running task is in (`orig_ax`).
#[inline(always)]
fn call_number() -> u32 {
    /// `THREAD_SIZE` without KASAN (`arch/x86/include/asm/page_64_types.h`).
    const STACK: u64 = 16 << 10;
    const ORIGINAL: u64 = core::mem::offset_of!(pt_regs, orig_rax) as u64;
    if on(&TASK_PT_REGS)
        && let Some(task) = Task::current()
    {
        // SAFETY: `task` is a typed pointer, as the helper wants it.
        let registers = unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) } as *const pt_regs;
        // SAFETY: the helper returns a typed pointer; the verifier checks the load.
        return unsafe { (&raw const (*registers).orig_rax).read_volatile() } as u32;
    }
    // Before 5.15: at the top of the stack, where nothing is kept above them.
    let top = memory::kernel::<u64>(current_address() + u64::from(TASK_STACK.load()))
        .map_or(0, |stack| stack + STACK - size_of::<pt_regs>() as u64);
    memory::kernel::<u64>(top + ORIGINAL).map_or(u32::MAX, |number| number as u32)
}
