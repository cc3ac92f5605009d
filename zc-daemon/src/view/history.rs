//! `/api/v1/history`: what each group did lately. What was not measured is null.

use std::sync::Arc;

use serde::Serialize;

use super::{
    groups::{Row, row},
    json::Coverage,
};
use crate::engine::{
    history::{Bin, Kept},
    summary::Copies,
};

/// No answer has more rows.
const MOST: usize = 20_000;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct History {
    /// The version of this format.
    version: u32,
    /// zc's own.
    zc: &'static str,
    /// How long an interval is meant to be.
    step_seconds: u64,
    /// When the last reading was, in seconds since 1970.
    until: f64,
    /// The group that was asked for.
    group: Option<String>,
    #[serde(serialize_with = "intervals")]
    intervals: Shown,
}

#[derive(Debug)]
struct Shown {
    kept: Kept,
    group: Option<String>,
    until: f64,
    copies: Copies,
}

/// One interval.
#[derive(Debug, Serialize)]
struct Interval<'a> {
    /// Its beginning, in seconds since 1970.
    from: f64,
    /// How long it was: what rates are taken by.
    seconds: f64,
    /// Events known to be missing.
    lost: u64,
    /// Who did something.
    groups: Vec<Row<'a>>,
}

/// The history, of a group or of all; the last reading was so many seconds after 1970.
///
/// # Errors
///
/// If that is too much for an answer, as a sentence.
pub fn history(
    kept: Kept,
    group: Option<String>,
    copies: Copies,
    until: f64,
) -> Result<History, String> {
    let rows: usize = kept.bins.iter().map(|bin| chosen(bin, group.as_deref()).count()).sum();
    if rows > MOST {
        return Err(format!(
            "that is {rows} rows, and an answer has {MOST} at most; ask for a shorter time (last), \
             a longer step, or one group"
        ));
    }
    Ok(History {
        version: 1,
        zc: env!("CARGO_PKG_VERSION"),
        step_seconds: kept.step,
        until,
        group: group.clone(),
        intervals: Shown { kept, group, until, copies },
    })
}

fn chosen<'a>(
    bin: &'a Bin,
    group: Option<&str>,
) -> impl Iterator<Item = (&'a str, &'a crate::engine::sparse::Sparse)> {
    let rows = bin.groups.iter().map(|(name, sum)| (&**name, sum));
    rows.filter(move |(name, _)| group.is_none_or(|group| group == *name))
}

fn intervals<S: serde::Serializer>(shown: &Shown, to: S) -> Result<S::Ok, S::Error> {
    let now = shown.kept.now;
    to.collect_seq(shown.kept.bins.iter().map(|bin| {
        let coverage = Coverage { probes: Arc::clone(&bin.probes), copies: shown.copies };
        let rows = chosen(bin, shown.group.as_deref());
        Interval {
            from: shown.until - now.saturating_sub(bin.from).as_secs_f64(),
            seconds: bin.to.saturating_sub(bin.from).as_secs_f64(),
            lost: bin.lost,
            groups: rows.map(|(name, sum)| row(name, &sum.whole(), &coverage)).collect(),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use zc_common::{
        counter::{Counter, Tally},
        flow::Flow,
    };

    use super::*;
    use crate::engine::{
        history::History as Ring,
        probes::Probes,
        snapshot::{Group, Snapshot},
    };

    fn kept(transfers: Option<String>) -> Kept {
        let mut ring = Ring::new(1 << 20, Duration::from_secs(3600));
        let probes = Probes { states: vec![("transfers", transfers)], routes: Vec::new() };
        let probes = Arc::new(probes);
        for (second, bytes) in [(0, 100), (1, 100), (2, 107)] {
            let mut tally = Tally::default();
            tally[Counter::bytes(Flow::ReadFile)] = bytes;
            tally[Counter::calls(Flow::ReadFile)] = bytes;
            let groups = ["a", "b"].map(|name| Group {
                name: name.to_owned(),
                tally: tally.clone(),
                identity: None,
            });
            let probes = Arc::clone(&probes);
            let snapshot = Snapshot { groups: groups.into(), probes, ..Snapshot::default() };
            ring.look(Duration::from_secs(second), &snapshot);
        }
        ring.last(Duration::from_secs(60), Some(1)).unwrap()
    }

    #[test]
    fn intervals_stand_where_they_were() {
        let page = history(kept(Some("it".to_owned())), Some("b".to_owned()), Copies::Best, 1000.0);
        let page = serde_json::to_value(page.unwrap()).unwrap();
        assert_eq!((&page["version"], &page["step_seconds"]), (&json!(1), &json!(1)));
        let [idle, busy] = [0, 1].map(|place| &page["intervals"][place]);
        assert_eq!((&idle["from"], &idle["groups"]), (&json!(998.0), &json!([])));
        assert_eq!((&busy["from"], &busy["seconds"]), (&json!(999.0), &json!(1.0)));
        assert_eq!(busy["groups"].as_array().unwrap().len(), 1);
        assert_eq!(busy["groups"][0]["group"], "b");
        assert_eq!(busy["groups"][0]["transferred_bytes"], 7);
    }

    #[test]
    fn what_was_not_measured_then_is_null() {
        let page = history(kept(None), None, Copies::Best, 1000.0).unwrap();
        let page = serde_json::to_value(page).unwrap();
        let rows = page["intervals"][1]["groups"].as_array().unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row["transferred_bytes"].is_null()), "{page}");
    }

    #[test]
    fn too_much_is_refused_with_a_way_out() {
        let mut kept = kept(None);
        let bin = Arc::clone(&kept.bins[1]);
        kept.bins = vec![bin; MOST / 2 + 1];
        let why = history(kept.clone(), None, Copies::Best, 0.0).unwrap_err();
        assert!(why.contains("one group"), "{why}");
        assert!(history(kept, Some("a".to_owned()), Copies::Best, 0.0).is_ok());
    }
}
