//! The read-only globals set by the loader: offsets of kernel fields, and what
//! this kernel allows.

use aya_ebpf::Global;
use zc_common::{kernel_arities, kernel_enumerators, kernel_fields, settings::ABSENT};

macro_rules! globals {
    ($($global:ident: $structure:literal, $($member:literal)|+;)+) => {
        $(
            #[doc = concat!("Offset of `", $structure, "`'s field, in bytes.")]
            #[unsafe(no_mangle)]
            pub static $global: Global<u32> = Global::new(ABSENT);
        )+
    };
}

kernel_fields!(globals);

macro_rules! enumerators {
    ($($global:ident: $enumeration:literal, $name:literal;)+) => {
        $(
            #[doc = concat!("The value of `", $name, "`.")]
            #[unsafe(no_mangle)]
            pub static $global: Global<u32> = Global::new(ABSENT);
        )+
    };
}

kernel_enumerators!(enumerators);

macro_rules! arities {
    ($($global:ident: $function:literal;)+) => {
        $(
            #[doc = concat!("How many arguments `", $function, "` takes.")]
            #[unsafe(no_mangle)]
            pub static $global: Global<u32> = Global::new(ABSENT);
        )+
    };
}

kernel_arities!(arities);

/// 1 if `sendfile(2)` links pages into a pipe.
#[unsafe(no_mangle)]
pub static SENDFILE_LINKS: Global<u32> = Global::new(0);

/// 1 if `bpf_task_pt_regs` may be used.
#[unsafe(no_mangle)]
pub static TASK_PT_REGS: Global<u32> = Global::new(0);

/// 1 if `bpf_get_current_task_btf` may be used.
#[unsafe(no_mangle)]
pub static CURRENT_TASK_BTF: Global<u32> = Global::new(0);

/// 1 if `bpf_probe_read_kernel` may be used.
#[unsafe(no_mangle)]
pub static READ_KERNEL: Global<u32> = Global::new(0);

/// 1 if every system call settles what was seen in it.
#[unsafe(no_mangle)]
pub static SETTLE_EACH: Global<u32> = Global::new(0);

/// 1 if bytes copied are kept by stack, too.
#[unsafe(no_mangle)]
pub static KEEP_SITES: Global<u32> = Global::new(0);

/// Of how many units, less one, a call site is charged with one.
#[unsafe(no_mangle)]
pub static SAMPLE_MASK: Global<u32> = Global::new(0);

/// 1 if the units are copies, or events.
#[unsafe(no_mangle)]
pub static SAMPLE_COPIES: Global<u32> = Global::new(0);

/// 1 if the arguments of processes are kept.
#[unsafe(no_mangle)]
pub static KEEP_ARGV: Global<u32> = Global::new(0);

/// 1 if the paths of cgroups are noted as they are made.
#[unsafe(no_mangle)]
pub static KEEP_CGROUPS: Global<u32> = Global::new(0);

/// The number of the hierarchy that cgroups are looked up in, 0 for version 2.
#[unsafe(no_mangle)]
pub static HIERARCHY: Global<u32> = Global::new(0);

/// Which controller of version 1 tells the cgroup.
#[unsafe(no_mangle)]
pub static CONTROLLER: Global<u32> = Global::new(ABSENT);

/// Whether a switch is on; to the verifier a constant, so the other branch need
/// not even be valid on this kernel.
#[inline(always)]
pub fn on(switch: &'static Global<u32>) -> bool {
    switch.load() != 0
}
