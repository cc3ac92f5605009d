//! Context switches and page faults, as the kernel's software events of the name are raised: for
//! flame graphs of these. It shares no count with the ledger.

use aya_ebpf::{EbpfContext as _, macros::perf_event, programs::PerfEventContext};

use crate::sites;

/// The one program of all such events: which they are is chosen as it is attached.
#[perf_event]
pub fn event(ctx: PerfEventContext) -> u32 {
    sites::happened(ctx.as_ptr());
    0
}
