//! Promises of zero-copy that the kernel does not keep: pages of a process that it
//! copies after all, since their receiver may hold them for long (loopback, a packet
//! tap, another namespace).

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use crate::{
    call::{Call, Enter, Probed},
    memory, owners,
    settings::{SHARED_INFO_FRAGS, SHARED_INFO_UARG, SK_BUFF_DATA_LEN, SK_BUFF_END, SK_BUFF_HEAD},
};

/// `int skb_copy_ubufs(struct sk_buff *skb, gfp_t gfp_mask)` (net/core/skbuff.c): copies
/// every fragment; on return it is no longer known whose they were. It fails only for
/// want of memory: then bytes are counted that were not copied.
#[fentry(function = "skb_copy_ubufs")]
pub fn skb_copy_ubufs(ctx: FEntryContext) -> i32 {
    let _ = copies(&Enter(ctx));
    0
}

/// The same, by kprobe.
#[kprobe(function = "skb_copy_ubufs")]
pub fn skb_copy_ubufs_kprobe(ctx: ProbeContext) -> u32 {
    let _ = copies(&Probed(ctx));
    0
}

/// Charges the fragments of a buffer; none if it cannot be read.
#[inline(always)]
fn copies(call: &impl Call) -> Option<()> {
    let buffer = call.argument(0);
    let head = call.load::<u64>(buffer + u64::from(SK_BUFF_HEAD.load()))?;
    let end = call.load::<u32>(buffer + u64::from(SK_BUFF_END.load()))?;
    let bytes = call.load::<u32>(buffer + u64::from(SK_BUFF_DATA_LEN.load()))?;
    let shared = head + u64::from(end);
    let fragments = memory::kernel::<u8>(shared + u64::from(SHARED_INFO_FRAGS.load()));
    if fragments.is_none_or(|fragments| fragments != 0) && bytes != 0 {
        let handle = memory::kernel(shared + u64::from(SHARED_INFO_UARG.load())).unwrap_or(0);
        owners::charge(handle, u64::from(bytes));
    }
    Some(())
}
