//! Every program through this kernel's verifier, alone.

use zc_daemon::kernel::{
    hooks::{Hook, Place, probes},
    loader::{load_alone, load_breakpoint_alone},
};
use zc_tests::kernel;

/// Whether this kernel's tracepoint has the signature that the program is for;
/// all but io_uring's have never changed in what zc reads of them.
fn belongs_here(hook: &Hook) -> bool {
    let version = kernel::version();
    match hook.program {
        "io_uring_complete" => version >= (6, 14),
        "io_uring_complete_args" => ((5, 19)..(6, 14)).contains(&version),
        _ => true,
    }
}

#[test]
fn every_program_that_belongs_here_loads_alone() {
    let (mut tried, mut copying) = (0, 0);
    for hook in probes().flat_map(|probe| probe.hooks).flat_map(Hook::programs) {
        let result = load_alone(hook).expect("this kernel has BTF and takes maps");
        if !matches!(hook.place, Place::Tracepoint(_)) {
            copying += u32::from(loads_on_function(hook, result));
        } else if belongs_here(hook) {
            assert_eq!(result, Ok(()), "{}", hook.program);
            tried += 1;
        } else {
            let why = result.expect_err("a program for another kernel's tracepoint");
            assert!(why.contains("other arguments"), "{}: {why}", hook.program);
        }
    }
    assert!(tried >= 5, "only {tried} programs were tried");
    let least = if kernel::hooks_functions() { 19 } else { 0 };
    assert!(copying >= least, "only {copying} programs on functions load");
}

#[test]
fn the_program_of_breakpoints_loads_alone() {
    assert_eq!(load_breakpoint_alone().expect("this kernel has BTF and takes maps"), Ok(()));
}

/// Whether a program for a function loads; if not, that must be for a good reason.
fn loads_on_function(hook: &Hook, result: Result<(), String>) -> bool {
    let Err(why) = result else { return true };
    if hook.program == "generic_remap_file_range_prep" && !kernel::shows_numbers() {
        assert!(why.contains("invalid bpf_context access"), "{why}");
        return false;
    }
    if hook.program == "copy_mc_to_kernel" && !kernel::shows_pages_copied() {
        assert!(why.contains("not see all"), "{why}");
        return false;
    }
    let absent = why.contains("no function") || why.contains("other arguments");
    let refused = !kernel::hooks_functions() && why.contains("Operation not permitted");
    assert!(absent || refused, "{}: {why}", hook.program);
    false
}
