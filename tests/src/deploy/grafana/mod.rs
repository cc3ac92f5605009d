//! Dashboards for Grafana: [`fleet`] and [`group`] are the tables of panels, [`json`] writes them
//! as Grafana reads them, `lint` holds them to the rules of Grafana's own linter.
//!
//! There is no Grafana in the tests: what is held to is the schema of its types
//! (`cargo xtask deploy`), and a real Prometheus that every query is asked of.

pub mod fleet;
pub mod group;
pub mod json;
#[cfg(test)]
mod lint;
pub mod preview;
mod ratios;

/// One page.
#[derive(Clone, Copy, Debug)]
pub struct Dashboard {
    /// By which others link to it, for ever.
    pub uid: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What it shows: a sentence.
    pub description: &'static str,
    /// What `@g` stands for in its queries besides job and instance.
    pub groups: &'static str,
    /// Its rows, from the top.
    pub rows: &'static [Row],
    /// Where it leads: a title and the uid of another.
    pub link: (&'static str, &'static str),
}

/// A row of panels.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its title.
    pub title: &'static str,
    /// Its panels, from the left; of 24 columns.
    pub panels: &'static [Panel],
}

/// One panel.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Its title.
    pub title: &'static str,
    /// What it shows, and how to read it: sentences.
    pub description: &'static str,
    /// How it is drawn.
    pub kind: Kind,
    /// What it asks.
    pub queries: &'static [Query],
    /// Why it may be empty though all is well; else it never is, under traffic.
    pub empty: Option<Empty>,
}

/// How a panel is drawn.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One number, and how it was.
    Stat(Unit),
    /// Lines over time.
    Lines(Unit),
    /// Areas over time that add up.
    Areas(Unit),
    /// A row for each set of labels, with a column for each query.
    Table(&'static [Unit]),
}

/// A unit of Grafana's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes a second.
    BytesPerSecond,
    /// Bytes.
    Bytes,
    /// 0 to 1, shown as percent.
    Share,
    /// Of something else a second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// A number.
    Number,
}

impl Unit {
    /// As Grafana calls it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::BytesPerSecond => "Bps",
            Self::Bytes => "bytes",
            Self::Share => "percentunit",
            Self::PerSecond => "cps",
            Self::Seconds => "s",
            Self::Number => "short",
        }
    }
}

/// Why a panel may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// What it shows is seen by programs on functions alone, which some kernels refuse.
    WithoutFunctions,
    /// It shows what is wrong, and nothing is.
    WhenAllIsWell,
}

impl Empty {
    /// The sentence in the panel's description.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::WithoutFunctions => {
                "Empty where the kernel takes no programs on functions: it is unknown there."
            }
            Self::WhenAllIsWell => "Empty while nothing is wrong.",
        }
    }
}

/// One query of a panel.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// PromQL, in which `@i` stands for the chosen jobs and instances, `@g` for those and the
    /// groups.
    pub promql: &'static str,
    /// What a line is called, or a column.
    pub legend: &'static str,
}

/// Every page.
pub const DASHBOARDS: &[Dashboard] = &[fleet::FLEET, group::GROUP];

/// What is chosen at the top of a page.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// The series whose label of that name has the values.
    pub series: &'static str,
}

/// What is chosen on each page, besides the data source.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "job", label: "Job", series: "zc_build_info" },
    Variable { name: "instance", label: "Instance", series: "zc_build_info{job=~\"$job\"}" },
    Variable {
        name: "group",
        label: "Group",
        series: "zc_transferred_bytes_total{job=~\"$job\", instance=~\"$instance\"}",
    },
];

impl Dashboard {
    /// A query of its as Grafana reads it.
    #[must_use]
    pub fn promql(&self, query: &Query) -> String {
        let instances = "job=~\"$job\", instance=~\"$instance\"";
        let groups = format!("{instances}, {}", self.groups);
        query.promql.replace("@g", &groups).replace("@i", instances)
    }

    /// Its panels.
    pub fn panels(&self) -> impl Iterator<Item = &'static Panel> {
        self.rows.iter().flat_map(|row| row.panels.iter())
    }
}

/// A query as Prometheus reads it, with what would be chosen.
#[must_use]
pub fn chosen(promql: &str, groups: &str) -> String {
    let pairs =
        [("$__rate_interval", "30s"), ("$job", ".+"), ("$instance", ".+"), ("$group", groups)];
    pairs.iter().fold(promql.to_owned(), |text, (from, to)| text.replace(from, to))
}
