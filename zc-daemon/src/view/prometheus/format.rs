//! The two formats, and what is different in them.

use crate::view::family::Type;

/// How the exposition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The name of a family: in OpenMetrics a counter's is that of its samples without
    /// `_total`.
    pub(super) fn family_name(self, name: &str, kind: Type) -> &str {
        match self {
            Self::OpenMetrics if kind == Type::Counter => {
                name.strip_suffix("_total").unwrap_or(name)
            }
            Self::Classic | Self::OpenMetrics => name,
        }
    }

    /// The unit of a family of this name, where the format has units.
    pub(super) fn unit(self, family: &str) -> Option<&'static str> {
        let is_in = |unit: &&str| family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        match self {
            Self::Classic => None,
            Self::OpenMetrics => ["bytes", "seconds"].into_iter().find(is_in),
        }
    }

    /// The bound of a bucket: OpenMetrics asks for the canonical form, which has a point.
    pub(super) fn bound(self, bound: f64) -> String {
        match self {
            _ if bound == f64::INFINITY => "+Inf".to_owned(),
            Self::Classic => bound.to_string(),
            Self::OpenMetrics => format!("{bound:?}"),
        }
    }

    /// HELP text: only OpenMetrics has quotes escaped.
    pub(super) fn help(self, help: &str) -> String {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        match self {
            Self::Classic => help,
            Self::OpenMetrics => help.replace('"', "\\\""),
        }
    }

    /// What stands after the last family.
    pub(super) const fn end(self) -> &'static str {
        match self {
            Self::Classic => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }
}
