//! `/api/v1/history`: what is asked for.

use std::time::Duration;

use axum::{
    extract::{Query, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};

use crate::engine::{history::STEPS, time};

/// What of the history is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) last: Duration,
    pub(super) step: Option<u64>,
    pub(super) group: Option<String>,
}

/// Names and values of a query.
pub(super) type Pairs = Vec<(String, String)>;

impl Asked {
    /// What a query asks for, or a sentence that says what is wrong with it.
    pub(super) fn of(query: Result<Query<Pairs>, QueryRejection>) -> Result<Self, String> {
        let Query(pairs) = query.map_err(|error| error.body_text())?;
        Self::from_pairs(&pairs)
    }

    pub(super) fn from_pairs(pairs: &[(String, String)]) -> Result<Self, String> {
        const LAST: Duration = Duration::from_secs(15 * 60);
        let mut asked = Self { last: LAST, step: None, group: None };
        for (place, (name, value)) in pairs.iter().enumerate() {
            if pairs[..place].iter().any(|(before, _)| before == name) {
                return Err(format!("{name:?} is given twice; give it once"));
            }
            match name.as_str() {
                "last" => asked.last = time::parse(value)?,
                "step" => asked.step = Some(step(value)?),
                "group" => asked.group = Some(value.clone()),
                _ => {
                    return Err(format!("nothing is called {name:?}; ask by last, step and group"));
                }
            }
        }
        Ok(asked)
    }
}

fn step(text: &str) -> Result<u64, String> {
    let time = time::parse(text)?;
    let found = STEPS.iter().copied().find(|step| Duration::from_secs(*step) == time);
    found.ok_or_else(|| format!("there are no intervals of {text:?}; there are 1s, 10s and 1m"))
}

/// Says what is wrong with a query.
pub(super) fn refused(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
}

/// Says that nothing is kept.
pub(super) fn none() -> Response {
    let why = "zc keeps no history here (--history.memory 0)\n";
    (StatusCode::NOT_FOUND, why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_name_a_time_a_step_and_a_group() {
        let asked = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Asked::from_pairs(&pairs.collect::<Vec<_>>())
        };
        let plain = asked(&[]).unwrap();
        assert_eq!((plain.last.as_secs(), plain.step, plain.group), (900, None, None));
        let all = asked(&[("last", "2h"), ("step", "10s"), ("group", "a b")]).unwrap();
        assert_eq!(
            (all.last.as_secs(), all.step, all.group.unwrap()),
            (7200, Some(10), "a b".to_owned())
        );
        for (wrong, why) in [
            (&[("last", "soon")][..], "no time"),
            (&[("step", "7s")], "there are 1s, 10s and 1m"),
            (&[("lust", "7s")], "nothing is called"),
            (&[("last", "1m"), ("last", "2m")], "twice"),
        ] {
            let said = asked(wrong).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
