//! A flame graph as text, as a picture, and as a profile; what changed between two.

mod diff;
mod folded;
mod pprof;
mod svg;

pub use self::{diff::diff, folded::folded, pprof::pprof, svg::svg};

use crate::engine::{
    bytes::Bytes,
    flame::{self, Recording, Weight},
};

/// What is to be said of a recording, a sentence each: none ends in a number, which would make
/// it a stack.
#[must_use]
pub fn notes(recording: &Recording) -> Vec<String> {
    let Recording { weight, booked, target, seconds, .. } = recording;
    let target = flame::legible(target);
    let mut notes = vec![
        format!("{} {} {target}, in {seconds:.1} s.", weight.name(), weight.done()),
        format!("By the ledger: {booked}."),
        sampling(recording),
    ];
    let shares = [
        (
            recording.inferred,
            "are inferred from system calls: the kernel's part of the stack is not known",
        ),
        (recording.undrawn(), "of the ledger's are not drawn: no event was seen of them"),
        (recording.unplaced, "of whatever process had no room for their site: they are in none"),
    ];
    let name = weight.name();
    let said = shares.into_iter().filter(|(amount, _)| *amount > 0);
    notes.extend(said.map(|(amount, what)| format!("{amount} {name} {what}.")));
    match recording.unknown {
        None => notes.push(
            "What was moved is unknown, as a probe is down (zc doctor says why): what is drawn \
             is what was measured."
                .to_owned(),
        ),
        Some(0) => {}
        Some(bytes) => notes.push(format!(
            "Of {bytes} bytes that were moved it is unknown what was copied: none of it is drawn."
        )),
    }
    if recording.lost > 0 {
        notes.push(format!("{} events were missed.", recording.lost));
    }
    notes
}

fn sampling(recording: &Recording) -> String {
    let (sum, name, one) = (recording.sum(), recording.weight.name(), recording.weight.one());
    match recording.samples() {
        None => format!("Every {one} was taken: {sum} {name}."),
        Some(0) => format!(
            "One sample in {}: none was drawn; give a smaller --sample, or 1 for every {one}.",
            rate(recording)
        ),
        Some(n) => format!(
            "One sample in {}: {n}, which stand for {sum} {name}; a share p of them has a \
             standard error of sqrt(p(1-p)/{n}), at most {:.2} %.",
            rate(recording),
            100.0 * flame::error(0.5, n)
        ),
    }
}

/// Of how much one sample is taken.
fn rate(recording: &Recording) -> String {
    match recording.weight {
        Weight::Bytes => Bytes(recording.period.into()).to_string(),
        counted @ (Weight::Copies | Weight::Switches | Weight::Faults) => {
            format!("{} {}", recording.period, counted.name())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{flame::Booked, summary::Amount};

    /// A recording with two stacks, one of a hostile name.
    pub(super) fn recording(period: u32) -> Recording {
        let stack = |names: &[&str]| names.iter().map(|name| flame::escaped(name)).collect();
        let stacks = [
            (stack(&["cat", "main", "vfs_read_[k]"]), 3 << 20),
            (stack(&["<i>&\"'\u{1};x", "main"]), 1 << 20),
        ];
        Recording {
            stacks: stacks.into(),
            weight: Weight::Bytes,
            period,
            booked: Booked::Copied(Amount { bytes: 4_000_000, calls: 70 }),
            unknown: Some(0),
            inferred: 1 << 20,
            unplaced: 0,
            lost: 0,
            target: "command x --><script>\n9".to_owned(),
            seconds: 1.5,
        }
    }

    #[test]
    fn what_was_sampled_is_told_with_its_error() {
        let said = notes(&recording(1 << 20)).join("\n");
        assert!(said.contains("One sample in 1.0 MiB: 4, which stand for 4194304 bytes"), "{said}");
        assert!(said.contains("sqrt(p(1-p)/4), at most 25.00 %."), "{said}");
        assert!(said.contains("By the ledger: 4000000 bytes in 70 copies."), "{said}");
        assert!(said.contains("1048576 bytes are inferred"), "{said}");
        let exact = notes(&recording(1)).join("\n");
        assert!(exact.contains("Every copy was taken: 4194304 bytes."), "{exact}");
        let none = Recording { stacks: [].into(), inferred: 0, ..recording(64) };
        assert!(notes(&none)[2].contains("none was drawn"), "{:?}", notes(&none));
    }

    #[test]
    fn events_are_told_as_copies_are() {
        let booked = Booked::Switches { voluntary: 900, involuntary: 100 };
        let weight = Weight::Switches;
        let of = |period| {
            let stacks = [(vec!["sh".to_owned()], 960)].into();
            let all = Recording { stacks, weight, period, booked, inferred: 0, ..recording(1) };
            notes(&all).join("\n")
        };
        let said = of(64);
        assert!(said.starts_with("context switches of command x"), "{said}");
        assert!(said.contains("By the ledger: 1000 context switches, 900 of them voluntary."));
        assert!(said.contains("One sample in 64 context switches: 15, which stand for 960"));
        assert!(!said.contains("not drawn"), "{said}");
        assert!(of(1).contains("40 context switches of the ledger's are not drawn"), "{}", of(1));
        let faults = Booked::Faults { minor: 7, major: 2 };
        assert_eq!(faults.to_string(), "9 page faults, 2 of them major");
    }

    #[test]
    fn what_is_unknown_is_said() {
        let told = |unknown| notes(&Recording { unknown, ..recording(1) }).join("\n");
        assert!(told(Some(7)).contains("Of 7 bytes that were moved it is unknown"));
        assert!(told(None).contains("What was moved is unknown"));
        assert!(!told(Some(0)).contains("unknown"));
    }

    #[test]
    fn no_note_is_a_stack() {
        for unknown in [Some(5), None] {
            let lost = Recording { lost: 3, unplaced: 4, unknown, ..recording(2) };
            for note in notes(&lost) {
                assert!(note.ends_with('.') && !note.contains('\n'), "{note}");
            }
        }
    }
}
