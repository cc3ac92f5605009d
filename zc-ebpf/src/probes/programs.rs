//! What makes programs of a probe's body.

/// Programs on the return of functions. A row is `NAME(ARGUMENTS) [KEPT] => body;`: how
/// many arguments the function has, the positions of those that the body looks at (three
/// at most), and the body, which takes a [`Return`](crate::call::Return). Each makes
///
/// * `NAME`, by fexit;
/// * `NAME_kprobe`, which keeps those arguments, and `NAME_kretprobe`.
///
/// What is to be done on entry stands after `>`: the kprobe does it; where there is fexit
/// it takes an fentry program of its own.
macro_rules! on_return {
    ($(
        $(#[$documentation:meta])*
        $name:ident($arguments:expr) [$($kept:literal),*] $(> $begin:ident)? => $body:path;
    )+) => {
        $(
            $(#[$documentation])*
            #[aya_ebpf::macros::fexit]
            pub fn $name(context: aya_ebpf::programs::FExitContext) -> i32 {
                $body(&crate::call::Exit::new(context, $arguments));
                0
            }

            const _: () = {
                use aya_ebpf::programs::{ProbeContext, RetProbeContext};
                use zc_common::slot::Frame;

                use crate::{call::{self, Call as _, Kept, Probed}, frames};

                const FUNCTION: u64 = Frame::function(stringify!($name));
                const KEPT: [usize; Frame::ARGUMENTS] = call::positions(&[$($kept),*]);

                #[unsafe(export_name = concat!(stringify!($name), "_kprobe"))]
                #[unsafe(link_section = "kprobe")]
                fn kprobe(context: *mut core::ffi::c_void) -> u32 {
                    let call = Probed(ProbeContext::new(context));
                    $($begin(&call);)?
                    let arguments = KEPT.map(|position| call.argument(position));
                    frames::enter(Frame { stack: call.stack(), function: FUNCTION, arguments });
                    0
                }

                #[unsafe(export_name = concat!(stringify!($name), "_kretprobe"))]
                #[unsafe(link_section = "kretprobe")]
                fn kretprobe(context: *mut core::ffi::c_void) -> u32 {
                    let context = RetProbeContext::new(context);
                    if let Some(call) = Kept::of(&context, FUNCTION, KEPT) {
                        $body(&call);
                    }
                    0
                }
            };
        )+
    };
}

/// Programs on the entry of functions: each row `NAME => body;` makes `NAME`, by fentry, and
/// `NAME_kprobe`; the body takes a [`Call`](crate::call::Call).
macro_rules! on_entry {
    ($($(#[$documentation:meta])* $name:ident => $body:path;)+) => {
        $(
            $(#[$documentation])*
            #[aya_ebpf::macros::fentry]
            pub fn $name(context: aya_ebpf::programs::FEntryContext) -> i32 {
                $body(&crate::call::Enter(context));
                0
            }

            const _: () = {
                #[unsafe(export_name = concat!(stringify!($name), "_kprobe"))]
                #[unsafe(link_section = "kprobe")]
                fn kprobe(context: *mut core::ffi::c_void) -> u32 {
                    let context = aya_ebpf::programs::ProbeContext::new(context);
                    $body(&crate::call::Probed(context));
                    0
                }
            };
        )+
    };
}

/// Programs on the entry of functions that those on their return need beside them, where
/// there is fexit: each row `NAME => body;` makes `NAME`, by fentry.
macro_rules! beside_return {
    ($($name:ident => $body:path;)+) => {
        $(
            #[aya_ebpf::macros::fentry]
            pub fn $name(context: aya_ebpf::programs::FEntryContext) -> i32 {
                $body(&crate::call::Enter(context));
                0
            }
        )+
    };
}
