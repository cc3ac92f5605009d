//! A cgroup is made, or renamed: its path is noted, for it may be gone before the daemon looks.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use zc_common::slot::Lost;

use crate::{
    charge::lost,
    maps::{CGROUPS, PATH},
    memory,
    settings::{HIERARCHY, KEEP_CGROUPS, on},
    task::Cgroup,
};

/// `TP_PROTO(struct cgroup *cgrp, const char *path)`: the kernel holds a lock meanwhile, under
/// which it wrote the path (`TRACE_CGROUP_PATH`, 5.10 to 7.3), so this runs once at a time.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    note(&ctx);
    0
}

/// The same, of one that has another name now; and all below it, of which nothing is told
/// (version 1 alone).
#[btf_tracepoint(function = "cgroup_rename")]
pub fn cgroup_rename(ctx: BtfTracePointContext) -> i32 {
    note(&ctx);
    0
}

#[inline(always)]
fn note(ctx: &BtfTracePointContext) {
    // SAFETY: the first argument is a typed `cgroup` pointer.
    let cgroup = unsafe { Cgroup::new(ctx.arg(0)) };
    if on(&KEEP_CGROUPS) && cgroup.hierarchy() == HIERARCHY.load() {
        keep(cgroup.id(), ctx.arg(1));
    }
}

#[inline(always)]
fn keep(id: u64, path: u64) {
    let Some(text) = PATH.get_ptr_mut(0) else { return };
    let written = memory::text(path, text);
    // By reference: a path would take all of the stack.
    // SAFETY: `text` points into `PATH`, which nobody else writes meanwhile.
    let text = unsafe { &*text };
    if !written || CGROUPS.insert(id, text, 0).is_err() {
        lost(Lost::CgroupPath);
    }
}
