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
        CGROUP_NODE, CGROUP_NODE_ID, CGROUP_ROOT, CGROUP_ROOT_HIERARCHY, CONTROLLER,
        CREDENTIALS_UID, CSS_CGROUP, CSS_SET_CGROUP, CSS_SET_SUBSYSTEMS, CURRENT_TASK_BTF,
        DENTRY_NAME, FILE_PATH, MM_ARG_END, MM_ARG_START, MM_EXE_FILE, PATH_DENTRY, QSTR_NAME,
        TASK_CGROUPS, TASK_COMM, TASK_CREDENTIALS, TASK_FILES, TASK_FLAGS, TASK_GROUP_LEADER,
        TASK_IO_URING, TASK_MAJ_FLT, TASK_MIN_FLT, TASK_MM, TASK_NIVCSW, TASK_NVCSW, TASK_PID,
        TASK_PT_REGS, TASK_REAL_PARENT, TASK_STACK, TASK_START_BOOTTIME, TASK_STATE, TASK_TGID,
        TASK_THREAD_INFO, THREAD_INFO_STATUS, on,
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
        self.load_at(offset.load())
    }

    /// The same, at an offset that is a constant to the verifier.
    #[inline(always)]
    fn load_at<T: Copy>(self, offset: u32) -> T {
        let field = self.0.wrapping_add(offset as usize).cast::<T>();
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

    /// The address of its set of cgroups, another one once it has moved.
    #[inline(always)]
    pub fn cgroups(self) -> u64 {
        if TASK_CGROUPS.load() == ABSENT { 0 } else { self.load(&TASK_CGROUPS) }
    }

    /// The id of its cgroup, in the hierarchy that was chosen: the default one
    /// (`task_dfl_cgroup`, `cgroup_id`, include/linux/cgroup.h, 5.10 to 7.3), or that of a
    /// controller.
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        if TASK_CGROUPS.load() == ABSENT {
            return 0;
        }
        let set = Self(self.load(&TASK_CGROUPS));
        let cgroup = Cgroup(if CONTROLLER.load() == ABSENT {
            set.load(&CSS_SET_CGROUP)
        } else {
            let place = CSS_SET_SUBSYSTEMS.load() + CONTROLLER.load() * size_of::<u64>() as u32;
            Self(set.load_at(place)).load(&CSS_CGROUP)
        });
        cgroup.id()
    }

    /// The address of its credentials, another one once it is another user.
    #[inline(always)]
    pub fn credentials(self) -> u64 {
        self.load(&TASK_CREDENTIALS)
    }

    /// With whose rights it acts (its effective user id), as `ps` shows it.
    #[inline(always)]
    pub fn uid(self) -> u32 {
        Self(self.load(&TASK_CREDENTIALS)).load(&CREDENTIALS_UID)
    }

    /// A field that points to something; none if it points to nothing. Older kernels (5.10) do
    /// not survive a load through a null pointer in a program that has functions of its own.
    #[inline(always)]
    fn follow(self, offset: u32) -> Option<Self> {
        let pointer: *const u8 = self.load_at(offset);
        if pointer.is_null() { None } else { Some(Self(pointer)) }
    }

    /// Writes the base name of the file that it runs; nothing if it has none any more, or the
    /// kernel hides it.
    #[inline(always)]
    pub fn write_exe<T>(self, into: *mut T) {
        if let Some(memory) = self.follow(TASK_MM.load())
            && let Some(file) = memory.follow(MM_EXE_FILE.load())
            && let Some(entry) = file.follow(FILE_PATH.load() + PATH_DENTRY.load())
        {
            memory::text(entry.load_at(DENTRY_NAME.load() + QSTR_NAME.load()), into);
        }
    }

    /// Where its arguments begin and end in its memory.
    #[inline(always)]
    pub fn arguments(self) -> (u64, u64) {
        match self.follow(TASK_MM.load()) {
            Some(memory) => (memory.load(&MM_ARG_START), memory.load(&MM_ARG_END)),
            None => (0, 0),
        }
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

/// A pointer to a `struct cgroup` whose type the verifier knows.
#[derive(Clone, Copy)]
pub struct Cgroup(*const u8);

impl Cgroup {
    /// Takes a hook's argument.
    ///
    /// # Safety
    ///
    /// The verifier must know `pointer` as a `cgroup`.
    #[inline(always)]
    pub unsafe fn new(pointer: *const u8) -> Self {
        Self(pointer)
    }

    /// Its id, which is the inode number of its directory.
    #[inline(always)]
    pub fn id(self) -> u64 {
        Task(Task(self.0).load(&CGROUP_NODE)).load(&CGROUP_NODE_ID)
    }

    /// The number of its hierarchy.
    #[inline(always)]
    pub fn hierarchy(self) -> u32 {
        Task(Task(self.0).load(&CGROUP_ROOT)).load(&CGROUP_ROOT_HIERARCHY)
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

/// The running task, taken once a program: each look is a call of a helper.
#[derive(Clone, Copy)]
pub struct Current {
    /// Where the kernel has a typed pointer to it.
    typed: Option<Task>,
    /// Its address.
    pub address: u64,
}

impl Current {
    #[inline(always)]
    pub fn take() -> Self {
        let typed = Task::current();
        Self { typed, address: typed.map_or_else(current_address, Task::address) }
    }

    /// A field of it.
    #[inline(always)]
    fn field<T: Copy + Default>(self, offset: u32) -> Option<T> {
        match self.typed {
            Some(task) => {
                let field = task.0.wrapping_add(offset as usize).cast::<T>();
                // SAFETY: the verifier checks that `T` lies within a field of the task.
                Some(unsafe { field.read_volatile() })
            }
            None => memory::kernel(self.address + u64::from(offset)),
        }
    }

    /// Whether it is in a 32-bit system call, whatever its code is.
    #[inline(always)]
    pub fn is_in_compat_call(self) -> bool {
        let offset = TASK_THREAD_INFO.load() + THREAD_INFO_STATUS.load();
        self.field::<u32>(offset).is_some_and(|status| status & COMPAT != 0)
    }

    /// Whether it has an io_uring.
    #[inline(always)]
    pub fn has_ring(self) -> bool {
        TASK_IO_URING.load() != ABSENT
            && self.field::<u64>(TASK_IO_URING.load()).is_some_and(|ring| ring != 0)
    }
}

/// On whose behalf the running task is in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Its own: in the system call of this number, or returning from it.
    Call(u32),
    /// It works for an io_uring of its process.
    RingWorker,
    /// It is one of the kernel's own threads, or works for a virtual machine.
    Kernel,
}

/// The number where an interrupt or a fault returns, and there is no call.
pub const NO_CALL: u32 = u32::MAX;
/// A number beyond every table: of a 32-bit call, whose own means another one.
const COMPAT_CALL: u32 = u32::MAX - 1;

/// `PF_IO_WORKER` (`include/linux/sched.h`, 5.10 to 7.3). Such a worker's registers
/// are its creator's; in 5.10 it is one of the kernel's own threads.
const RING_WORKER: u32 = 0x10;
/// `PF_USER_WORKER` (since 6.4), set for vhost workers too; before, the bit meant that
/// a thread may be killed when memory runs out of a cgroup, which none of ours has.
const USER_WORKER: u32 = 0x4000;
/// What runs no code of a process.
const NO_PROCESS: u32 = RING_WORKER | KERNEL_THREAD | USER_WORKER;

impl Current {
    /// Its context; a system call's number is what it was entered with.
    #[inline(always)]
    pub fn context(self) -> Context {
        let flags = self.field::<u32>(TASK_FLAGS.load()).unwrap_or(0);
        if flags & NO_PROCESS != 0 {
            return if flags & RING_WORKER != 0 { Context::RingWorker } else { Context::Kernel };
        }
        if self.is_in_compat_call() {
            Context::Call(COMPAT_CALL)
        } else {
            Context::Call(self.register::<ORIGINAL>().map_or(NO_CALL, |number| number as u32))
        }
    }

    /// Whether it is a thread of a process and not in a 32-bit call: the kernel may still
    /// interrupt it, but does not work for others by it.
    #[inline(always)]
    pub fn is_in_own_call(self) -> bool {
        let flags = self.field::<u32>(TASK_FLAGS.load());
        flags.is_some_and(|flags| flags & NO_PROCESS == 0) && !self.is_in_compat_call()
    }

    /// A number for the place in its process' code where it came into the kernel, and by
    /// which call.
    #[inline(always)]
    pub fn place(self) -> u64 {
        let [number, code, stack] =
            [self.register::<ORIGINAL>(), self.register::<CODE>(), self.register::<STACK>()]
                .map(|register| register.unwrap_or(0));
        number << 48 ^ code << 8 ^ stack
    }

    /// A register of it, as it was when it came into the kernel; `orig_ax` is the number of
    /// the call.
    #[inline(always)]
    fn register<const OFFSET: usize>(self) -> Option<u64> {
        /// `THREAD_SIZE` without KASAN (`arch/x86/include/asm/page_64_types.h`).
        const STACK: u64 = 16 << 10;
        if on(&TASK_PT_REGS)
            && let Some(task) = self.typed
        {
            // SAFETY: `task` is a typed pointer, as the helper wants it.
            let registers = unsafe { bpf_task_pt_regs(task.0.cast_mut().cast()) } as *const u8;
            let register = registers.wrapping_add(OFFSET).cast::<u64>();
            // SAFETY: the helper returns a typed pointer; the verifier checks the load.
            return Some(unsafe { register.read_volatile() });
        }
        // Before 5.15: at the top of the stack, where nothing is kept above them.
        let stack = self.field::<u64>(TASK_STACK.load())?;
        memory::kernel::<u64>(stack + STACK - size_of::<pt_regs>() as u64 + OFFSET as u64)
    }
}

const ORIGINAL: usize = core::mem::offset_of!(pt_regs, orig_rax);
const CODE: usize = core::mem::offset_of!(pt_regs, rip);
const STACK: usize = core::mem::offset_of!(pt_regs, rsp);
