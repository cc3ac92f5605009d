//! Runs a target on inputs until one fails, and makes that as small as it goes.

use std::{cell::Cell, fmt};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::{Target, input};

/// A search for an input that a target fails on.
pub struct Hunt<'a> {
    /// The target.
    pub target: &'a Target,
    /// What its inputs are made from.
    pub seed: u64,
    /// Is told of each input before it is run, as there are failures that nothing survives.
    pub before: &'a dyn Fn(&[u8]),
}

/// What was run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Inputs.
    pub executions: u64,
    /// Of these, those that the parser could make something of.
    pub read: u64,
}

/// An input that a target fails on.
#[derive(Debug)]
pub struct Failure {
    target: &'static str,
    /// It, as small as it could be made.
    pub input: Vec<u8>,
    why: String,
}

impl Hunt<'_> {
    /// Runs a number of inputs, which are the same for the same number of the batch.
    ///
    /// # Errors
    ///
    /// The first that the target fails on.
    pub fn batch(&self, number: u64, cases: u32) -> Result<Tally, Failure> {
        let tally = Cell::new(Tally::default());
        let run = |input: &[u8]| {
            (self.before)(input);
            let read = (self.target.run)(input);
            let Tally { executions, read: before } = tally.get();
            tally.set(Tally { executions: executions + 1, read: before + u64::from(read) });
        };
        let told = self.runner(number, cases).run(&input::like(self.target.seeds), |input| {
            run(&input);
            Ok(())
        });
        match told {
            Ok(()) => Ok(tally.get()),
            Err(TestError::Fail(_, input)) => Err(self.smallest(input)),
            // Nothing is rejected.
            Err(TestError::Abort(why)) => Err(self.failure(Vec::new(), why.to_string())),
        }
    }

    fn runner(&self, number: u64, cases: u32) -> TestRunner {
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: 10_000,
            ..Config::default()
        };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&number.to_le_bytes());
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }

    /// Takes away what the failure does not take.
    fn smallest(&self, mut input: Vec<u8>) -> Failure {
        let mut why = self.fails(&input).unwrap_or_else(|| "it does not fail again".to_owned());
        let mut length = input.len();
        while length > 0 {
            let mut at = 0;
            while at < input.len() {
                let end = (at + length).min(input.len());
                let less = [&input[..at], &input[end..]].concat();
                match self.fails(&less) {
                    Some(said) => (input, why) = (less, said),
                    None => at = end,
                }
            }
            length /= 2;
        }
        self.failure(input, why)
    }

    /// How the target fails on an input, if it does.
    fn fails(&self, input: &[u8]) -> Option<String> {
        (self.before)(input);
        let only = proptest::strategy::Just(());
        let once = self.runner(0, 1).run(&only, |()| {
            (self.target.run)(input);
            Ok::<_, TestCaseError>(())
        });
        match once {
            Ok(()) => None,
            Err(TestError::Fail(why, ()) | TestError::Abort(why)) => Some(why.to_string()),
        }
    }

    fn failure(&self, input: Vec<u8>, why: String) -> Failure {
        Failure { target: self.target.name, input, why }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, input, why } = self;
        write!(f, "{target} fails on \"{}\": {why}", input.escape_ascii())
    }
}
