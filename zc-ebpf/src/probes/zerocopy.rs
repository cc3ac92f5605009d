//! Promises of zero-copy that the kernel does not keep: pages of a process that it
//! copies after all, since their receiver may hold them for long (loopback, a packet
//! tap, another namespace).

use zc_common::fallback::Reason;

use crate::{
    call::Call,
    memory, owners,
    settings::{SHARED_INFO_FRAGS, SHARED_INFO_UARG, SK_BUFF_DATA_LEN, SK_BUFF_END, SK_BUFF_HEAD},
};

on_entry! {
    /// `int skb_copy_ubufs(struct sk_buff *skb, gfp_t gfp_mask)` (net/core/skbuff.c): copies
    /// every fragment; on return it is no longer known whose they were. It fails only for
    /// want of memory: then bytes are counted that were not copied.
    skb_copy_ubufs => unkept;
}

#[inline(always)]
fn unkept(call: &impl Call) {
    // A buffer that cannot be read is charged to nobody.
    let _ = copies(call);
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
        owners::charge(call.context(), handle, u64::from(bytes), Reason::Receiver);
    }
    Some(())
}
