//! Every program through this kernel's verifier.

use zc_daemon::kernel::{
    hooks::{Hook, Place},
    ladder::{By, Rung},
    loader::{load_each, load_those_of_perf_events},
    sizes::{Drawn, Sample},
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
fn every_program_that_belongs_here_loads() {
    each_loads(0, Sample::ALL);
}

/// Every charge then takes stacks as well.
#[test]
fn the_same_programs_load_when_they_keep_call_sites() {
    each_loads(1, Sample::ALL);
}

/// Most charges then take none.
#[test]
fn the_same_programs_load_when_they_sample_call_sites() {
    each_loads(1, Sample { period: 1 << 20, of: Drawn::Bytes });
    each_loads(1, Sample { period: 256, of: Drawn::Copies });
}

fn each_loads(sites: u32, sample: Sample) {
    let (mut tried, mut copying) = (0, [0, 0]);
    for (rung, result) in load_each(sites, sample).expect("this kernel has BTF and takes maps") {
        let hook = rung.hook;
        if !matches!(hook.place, Place::Tracepoint(_)) {
            copying[rung.by as usize] += u32::from(loads_on_function(rung, result));
        } else if belongs_here(hook) {
            assert_eq!(result, Ok(()), "{}", hook.program);
            tried += 1;
        } else {
            let why = result.expect_err("a program for another kernel's tracepoint");
            assert!(why.contains("other arguments"), "{}: {why}", hook.program);
        }
    }
    assert!(tried >= 5, "only {tried} programs were tried");
    let [typed, kprobes] = copying;
    let least = if kernel::hooks_functions() { 18 } else { 0 };
    assert!(typed >= least, "only {typed} hooks of functions load");
    // Any kernel takes the programs of kprobes; not every one has what to attach them to.
    assert!(kprobes >= 18, "only {kprobes} hooks of functions load by kprobes");
}

#[test]
fn the_programs_of_perf_events_load_alone() {
    let loaded = load_those_of_perf_events().expect("this kernel has BTF and takes maps");
    let expected = ["breakpoint", "event"].map(|name| (name, Ok(())));
    assert_eq!(loaded, expected);
}

/// Whether a program for a function loads; if not, that must be for a good reason.
fn loads_on_function(rung: Rung, result: Result<(), String>) -> bool {
    let Err(why) = result else { return true };
    let (hook, typed) = (rung.hook, rung.by == By::Type);
    if typed && hook.program == "generic_remap_file_range_prep" && !kernel::shows_numbers() {
        assert!(why.contains("invalid bpf_context access"), "{why}");
        return false;
    }
    if hook.program == "copy_mc_to_kernel" && !kernel::shows_pages_copied() {
        assert!(why.contains("not see all"), "{why}");
        return false;
    }
    let absent = why.contains("no function") || why.contains("other arguments");
    let refused = typed && !kernel::hooks_functions() && why.contains("Operation not permitted");
    assert!(absent || refused, "{rung}: {why}");
    false
}
