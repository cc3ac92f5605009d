//! A plain page of what the panels would show, to be looked at where there is no Grafana: made
//! of the same JSON, with what a Prometheus answers. Not shipped.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Dashboard, chosen, json};
use crate::deploy::prometheus::{Prometheus, Series};

const HEAD: &str = "<!DOCTYPE html><meta charset=utf-8><style>\
    body{font:12px system-ui,sans-serif;background:#111217;color:#ccccdc;margin:8px}\
    main{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:34px;gap:6px}\
    section{background:#181b1f;border:1px solid #2b2e35;overflow:hidden;padding:6px}\
    h2{font-size:14px;margin:6px 0}h3{font-size:12px;margin:0 0 4px}\
    b{font-size:26px}svg{width:100%;display:block}td,th{text-align:left;padding:1px 10px 1px 0}\
    i{display:inline-block;width:9px;height:9px;margin-right:4px}</style>";

const COLOURS: [&str; 8] =
    ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#96d98d"];

/// Size of a drawing, whatever it is stretched to.
const SIZE: (f64, f64) = (400.0, 150.0);

/// The page of a dashboard, with what `groups` had in some seconds.
///
/// # Errors
///
/// If a query cannot be evaluated.
pub fn html(
    dashboard: &Dashboard,
    prometheus: &Prometheus,
    groups: &str,
    time: (f64, f64),
) -> Result<String> {
    let page = json::page(dashboard);
    // Writing to a String cannot fail, here and below.
    let mut text = format!("{HEAD}<h2>{}</h2><main>", dashboard.title);
    for panel in page["panels"].as_array().context("no panels")? {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap_or_default();
        let (x, y) = (side("x") + 1, side("y") + 1);
        let title = panel["title"].as_str().unwrap_or_default();
        let _ = write!(
            text,
            "<section style='grid-area:{y}/{x}/span {}/span {}'><h3>{title}</h3>{}</section>",
            side("h"),
            side("w"),
            body(panel, prometheus, groups, time)?
        );
    }
    Ok(text + "</main>")
}

fn body(panel: &Value, prometheus: &Prometheus, groups: &str, time: (f64, f64)) -> Result<String> {
    let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
    let no_targets = Vec::new();
    let targets = panel["targets"].as_array().unwrap_or(&no_targets);
    let mut answers = Vec::new();
    for target in targets {
        let text = |name: &str| target[name].as_str().unwrap_or_default();
        let promql = chosen(text("expr"), groups);
        let series = match panel["type"].as_str() {
            Some("table") => prometheus.query(&promql)?,
            _ => prometheus.range(&promql, time)?,
        };
        answers.push((text("legendFormat").to_owned(), series));
    }
    Ok(match panel["type"].as_str() {
        Some("stat") => stat(&answers, unit),
        Some("table") => table(&answers),
        Some("timeseries") => {
            let custom = &panel["fieldConfig"]["defaults"]["custom"];
            drawing(&answers, unit, custom["stacking"]["mode"] == "normal", time)
        }
        _ => String::new(),
    })
}

type Answers = [(String, Vec<Series>)];

fn stat(answers: &Answers, unit: &str) -> String {
    let last = answers.iter().flat_map(|(_, series)| series).next();
    last.map_or_else(none, |series| format!("<b>{}</b>", number(series.value(), unit)))
}

fn none() -> String {
    "No data".to_owned()
}

/// A row for each set of labels, a column for each query.
fn table(answers: &Answers) -> String {
    let mut rows: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for (at, (_, series)) in answers.iter().enumerate() {
        for one in series {
            let row = rows.entry(labels(one)).or_default();
            row.resize(answers.len(), None);
            row[at] = Some(one.value());
        }
    }
    if rows.is_empty() {
        return none();
    }
    let heads = answers.iter().map(|(legend, _)| format!("<th>{legend}"));
    let mut text = format!("<table><tr><th>{}", heads.collect::<String>());
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| b[0].unwrap_or(0.0).total_cmp(&a[0].unwrap_or(0.0)));
    for (labels, values) in rows {
        let cells = values.iter().map(|value| match value {
            Some(value) => format!("<td>{}", number(*value, "short")),
            None => "<td>".to_owned(),
        });
        let _ = write!(text, "<tr><td>{labels}{}", cells.collect::<String>());
    }
    text + "</table>"
}

fn labels(series: &Series) -> String {
    let values = series.labels.as_object().into_iter().flatten();
    let values = values.filter_map(|(_, value)| value.as_str().filter(|text| !text.is_empty()));
    values.collect::<Vec<_>>().join(" · ")
}

/// Lines, or areas one on the other, and what they are.
fn drawing(answers: &Answers, unit: &str, stacked: bool, (from, to): (f64, f64)) -> String {
    let all = answers
        .iter()
        .flat_map(|(legend, series)| series.iter().map(move |one| (named(legend, one), one)));
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        return none();
    }
    let mut below: BTreeMap<u64, f64> = BTreeMap::new();
    let heights: Vec<Vec<(f64, f64)>> = all
        .iter()
        .map(|(_, series)| {
            let height = |(time, value): &(f64, f64)| {
                let under = below.entry(time.to_bits()).or_default();
                if stacked {
                    *under += value;
                }
                (*time, if stacked { *under } else { *value })
            };
            series.points.iter().filter(|(_, value)| value.is_finite()).map(height).collect()
        })
        .collect();
    let most = heights.iter().flatten().map(|(_, height)| *height).fold(1e-9, f64::max);
    let (width, tall) = SIZE;
    let mut text = format!("{}<svg viewBox='0 0 {width} {tall}'>", number(most, unit));
    for (at, line) in heights.iter().enumerate() {
        let points = line.iter().map(|(time, height)| {
            format!(
                "{:.1},{:.1} ",
                (time - from) / (to - from) * width,
                (1.0 - height / most) * tall
            )
        });
        let (points, colour) = (points.collect::<String>(), COLOURS[at % COLOURS.len()]);
        let _ = write!(text, "<polyline fill=none stroke='{colour}' points='{points}'/>");
    }
    text += "</svg>";
    for (at, (name, series)) in all.iter().enumerate() {
        let (colour, last) = (COLOURS[at % COLOURS.len()], number(series.value(), unit));
        let _ = write!(text, "<i style='background:{colour}'></i>{name} {last} &nbsp; ");
    }
    text
}

/// The legend of a query, with the labels of one of its series.
fn named(legend: &str, series: &Series) -> String {
    let mut name = legend.to_owned();
    for (label, value) in series.labels.as_object().into_iter().flatten() {
        name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default());
    }
    name
}

fn number(value: f64, unit: &str) -> String {
    if unit == "percentunit" {
        return format!("{:.2} %", value * 100.0);
    }
    let scales = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m")];
    let (scale, letter) =
        *scales.iter().find(|(scale, _)| value.abs() >= *scale).unwrap_or(&(1.0, ""));
    let suffix = match unit {
        "Bps" => "B/s",
        "bytes" => "B",
        "cps" => "/s",
        "s" => "s",
        _ => "",
    };
    format!("{:.3} {letter}{suffix}", value / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(number(1.5e6, "Bps"), "1.500 MB/s");
        assert_eq!(number(0.25, "percentunit"), "25.00 %");
        assert_eq!(number(0.0, "cps"), "0.000 /s");
    }

    #[test]
    fn a_table_has_a_row_for_each_group() {
        let series = |group: &str, value| Series {
            labels: serde_json::json!({ "group": group }),
            points: vec![(0.0, value)],
        };
        let answers = [
            ("Copied".to_owned(), vec![series("a", 1.0), series("b", 2.0)]),
            ("Moved".to_owned(), vec![series("b", 3.0)]),
        ];
        let text = table(&answers);
        assert!(text.contains("<tr><td>b<td>2.000 <td>3.000 <tr><td>a<td>1.000 <td>"), "{text}");
    }
}
