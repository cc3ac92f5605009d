//! Every program through this kernel's verifier, alone.

use zc_daemon::kernel::{
    hooks::{Hook, PROBES},
    loader::load_alone,
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
    let mut tried = 0;
    for hook in PROBES.iter().flat_map(|probe| probe.hooks) {
        let result = load_alone(hook).expect("this kernel has BTF and takes maps");
        if belongs_here(hook) {
            assert_eq!(result, Ok(()), "{}", hook.program);
            tried += 1;
        } else {
            let why = result.expect_err("a program for another kernel's tracepoint");
            assert!(why.contains("other arguments"), "{}: {why}", hook.program);
        }
    }
    assert!(tried >= 5, "only {tried} programs were tried");
}
