//! What a workload says it did, where that is not known beforehand.

use std::collections::BTreeMap;

/// What is known of a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least so many.
    pub least: u64,
    /// At most so many.
    pub most: u64,
}

/// The lines of a report that are `word KEY... LEAST MOST`, by their keys; what has the same
/// key is summed.
///
/// # Panics
///
/// If such a line has no numbers.
#[must_use]
pub fn bounds(report: &str, word: &str) -> BTreeMap<Vec<String>, Bounds> {
    let mut all: BTreeMap<Vec<String>, Bounds> = BTreeMap::new();
    for line in report.lines() {
        let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        if words.remove(0) == word {
            let mut number = || words.pop().and_then(|word| word.parse::<u64>().ok());
            let (Some(most), Some(least)) = (number(), number()) else {
                panic!("{line:?} has no numbers");
            };
            let sum = all.entry(words).or_default();
            sum.least += least;
            sum.most += most;
        }
    }
    all
}

/// The line of a report that is `word NUMBER`.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn number(report: &str, word: &str) -> u64 {
    let mut numbers = report.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    match numbers.next().and_then(|number| number.parse().ok()) {
        Some(number) => number,
        None => panic!("no {word} in {report:?}"),
    }
}
