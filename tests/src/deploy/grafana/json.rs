//! The pages as Grafana reads them.

use serde_json::{Value, json};

use super::{Dashboard, Kind, Panel, Query, Unit, VARIABLES, Variable};

/// What queries of a panel are called.
const LETTERS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// Of the form of a page that Grafana 11 writes; later ones read it.
const SCHEMA: u32 = 41;

/// Where the page is.
#[must_use]
pub fn path(dashboard: &Dashboard) -> String {
    format!("deploy/grafana/dashboards/{}.json", dashboard.uid)
}

/// The file.
#[must_use]
pub fn text(dashboard: &Dashboard) -> String {
    // What is made of strings and numbers can always be written.
    serde_json::to_string_pretty(&page(dashboard)).unwrap_or_default() + "\n"
}

/// The page.
#[must_use]
pub fn page(dashboard: &Dashboard) -> Value {
    let (title, uid) = dashboard.link;
    json!({
        "id": null,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["zc"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": { "from": "now-1h", "to": "now" },
        "timepicker": {},
        "annotations": { "list": [] },
        "links": [{
            "title": title, "type": "link", "url": format!("/d/{uid}"), "icon": "dashboard",
            "tooltip": "", "tags": [], "asDropdown": false, "targetBlank": false,
            "includeVars": true, "keepTime": true,
        }],
        "templating": { "list": variables() },
        "panels": panels(dashboard),
    })
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// What is chosen at the top.
fn variables() -> Vec<Value> {
    let source = json!({
        "name": "datasource", "label": "Data source", "type": "datasource",
        "query": "prometheus", "regex": "", "hide": 0, "refresh": 1, "options": [],
        "multi": false, "includeAll": false, "skipUrlSync": false,
    });
    [source].into_iter().chain(VARIABLES.iter().map(variable)).collect()
}

fn variable(variable: &Variable) -> Value {
    let query = format!("label_values({}, {})", variable.series, variable.name);
    json!({
        "name": variable.name, "label": variable.label, "type": "query",
        "datasource": datasource(),
        "query": { "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery" },
        "regex": "", "hide": 0, "refresh": 2, "sort": 1, "options": [],
        "multi": true, "includeAll": true, "allValue": ".+", "skipUrlSync": false,
        "current": { "text": "All", "value": "$__all" },
    })
}

/// Rows and panels, placed from the left, from the top.
fn panels(dashboard: &Dashboard) -> Vec<Value> {
    const COLUMNS: u32 = 24;
    let (mut all, mut y) = (Vec::new(), 0);
    for row in dashboard.rows {
        let mut place = |mut panel: Value, x, y, (width, height): (u32, u32)| {
            panel["id"] = json!(all.len() + 1);
            panel["gridPos"] = json!({ "x": x, "y": y, "w": width, "h": height });
            all.push(panel);
        };
        place(
            json!({ "type": "row", "title": row.title, "collapsed": false, "panels": [] }),
            0,
            y,
            (COLUMNS, 1),
        );
        y += 1;
        let (mut x, mut tallest) = (0, 0);
        for panel in row.panels {
            let size = size(panel.kind);
            if x + size.0 > COLUMNS {
                (x, y, tallest) = (0, y + tallest, 0);
            }
            place(self::panel(dashboard, panel), x, y, size);
            (x, tallest) = (x + size.0, tallest.max(size.1));
        }
        y += tallest;
    }
    all
}

/// Columns and rows of a panel.
fn size(kind: Kind) -> (u32, u32) {
    match kind {
        Kind::Stat(_) => (4, 4),
        Kind::Lines(_) | Kind::Areas(_) => (8, 8),
        Kind::Table([_]) => (8, 8),
        Kind::Table(_) => (24, 9),
    }
}

/// What a panel says of itself.
fn description(panel: &Panel) -> String {
    let empty = panel.empty.map(|empty| format!(" {}", empty.sentence()));
    panel.description.to_owned() + &empty.unwrap_or_default()
}

fn panel(dashboard: &Dashboard, panel: &Panel) -> Value {
    let targets: Vec<_> = panel
        .queries
        .iter()
        .zip(LETTERS)
        .map(|(query, letter)| target(dashboard, panel.kind, query, letter))
        .collect();
    let mut whole = json!({
        "title": panel.title,
        "description": description(panel),
        "datasource": datasource(),
        "targets": targets,
    });
    let drawn = match panel.kind {
        Kind::Stat(unit) => stat(unit),
        Kind::Lines(unit) => lines(unit, false),
        Kind::Areas(unit) => lines(unit, true),
        Kind::Table(units) => table(panel, units),
    };
    if let (Some(whole), Value::Object(drawn)) = (whole.as_object_mut(), drawn) {
        whole.extend(drawn);
    }
    whole
}

fn target(dashboard: &Dashboard, kind: Kind, query: &Query, letter: &str) -> Value {
    let table = matches!(kind, Kind::Table(_));
    json!({
        "refId": letter,
        "datasource": datasource(),
        "expr": dashboard.promql(query),
        "legendFormat": query.legend,
        "format": if table { "table" } else { "time_series" },
        "instant": table,
        "range": !table,
    })
}

fn stat(unit: Unit) -> Value {
    json!({
        "type": "stat",
        "fieldConfig": { "defaults": { "unit": unit.id() }, "overrides": [] },
        "options": {
            "colorMode": "none", "graphMode": "area", "justifyMode": "auto",
            "percentChangeColorMode": "standard", "showPercentChange": false,
            "textMode": "value", "wideLayout": true, "orientation": "auto",
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        },
    })
}

fn lines(unit: Unit, stacked: bool) -> Value {
    json!({
        "type": "timeseries",
        "fieldConfig": {
            "defaults": {
                "unit": unit.id(),
                "min": 0,
                "custom": {
                    "drawStyle": "line", "lineWidth": 1, "showPoints": "never",
                    "fillOpacity": if stacked { 30 } else { 0 },
                    "stacking": { "mode": if stacked { "normal" } else { "none" }, "group": "A" },
                },
            },
            "overrides": [],
        },
        "options": {
            "legend": {
                "showLegend": true, "displayMode": "table", "placement": "bottom",
                "calcs": ["mean", "lastNotNull"],
            },
            "tooltip": { "mode": "multi", "sort": "desc" },
        },
    })
}

/// Its columns are called as its queries are; a group leads to its page.
fn table(panel: &Panel, units: &[Unit]) -> Value {
    // One query's value has its bare name.
    let column = |letter: &str| {
        if units.len() == 1 { "Value".to_owned() } else { format!("Value #{letter}") }
    };
    let columns = panel.queries.iter().zip(units).zip(LETTERS);
    let columns = columns.map(|((query, unit), letter)| {
        json!({
            "matcher": { "id": "byName", "options": column(letter) },
            "properties": [
                { "id": "displayName", "value": query.legend },
                { "id": "unit", "value": unit.id() },
            ],
        })
    });
    let link = json!({
        "matcher": { "id": "byName", "options": "group" },
        "properties": [{ "id": "links", "value": [{
            "title": "Its page",
            "url": "/d/zc-group?${datasource:queryparam}&${job:queryparam}\
                    &${instance:queryparam}&var-group=${__value.text:percentencode}\
                    &${__url_time_range}",
        }]}],
    });
    json!({
        "type": "table",
        "fieldConfig": {
            "defaults": { "unit": "short", "custom": {
                "align": "auto", "cellOptions": { "type": "auto" }, "inspect": false,
                "filterable": true,
            } },
            "overrides": columns.chain([link]).collect::<Vec<_>>(),
        },
        "options": {
            "frameIndex": 0, "showHeader": true, "cellHeight": "sm",
            "sortBy": [{ "displayName": panel.queries[0].legend, "desc": true }],
        },
        "transformations": [
            { "id": "merge", "options": {} },
            { "id": "organize", "options": { "excludeByName": { "Time": true } } },
        ],
    })
}
