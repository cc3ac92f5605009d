//! What an application is held to.

use serde::{Deserialize, Serialize, Serializer};
use zc_common::flow::Route;

use super::bytes::Bytes;

/// Limits; what is not set does not limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Bytes that may be copied for each byte that is moved.
    pub max_copies_per_byte: Option<f64>,
    /// Bytes that may be copied in all.
    pub max_copied: Option<Bytes>,
    /// The routes that are judged, each of which must move something; if none is named, all
    /// are.
    #[serde(default)]
    pub routes: Vec<RouteName>,
    /// Routes that move or copy fewer bytes are left out.
    pub ignore_below: Option<Bytes>,
    /// Whether copies may be inferred instead of measured.
    #[serde(default)]
    pub allow_inferred: bool,
}

/// The limit if none is set: headers, and what the loader reads, are copied everywhere.
pub const MAX_COPIES_PER_BYTE: f64 = 0.05;

/// A route by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RouteName(pub Route);

impl Serialize for RouteName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.name())
    }
}

impl std::str::FromStr for RouteName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Route::ALL.iter().find(|route| route.name() == text);
        found.map(|route| Self(*route)).ok_or_else(|| {
            let names: Vec<_> = Route::ALL.iter().map(|route| route.name()).collect();
            format!("there is no route {text:?}; routes are {}", names.join(", "))
        })
    }
}

impl TryFrom<String> for RouteName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Policy {
    /// Reads one from TOML.
    ///
    /// # Errors
    ///
    /// If it is no TOML, or holds what is no limit: the sentence names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        policy.check()?;
        Ok(policy)
    }

    /// Whether it can be held.
    ///
    /// # Errors
    ///
    /// If a limit is no number.
    pub fn check(&self) -> Result<(), String> {
        match self.max_copies_per_byte {
            Some(most) if !(0.0..=1000.0).contains(&most) => {
                Err(format!("max-copies-per-byte is {most}; it must be from 0 to 1000"))
            }
            _ => Ok(()),
        }
    }

    /// This one, and for what it leaves open the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            max_copies_per_byte: self.max_copies_per_byte.or(other.max_copies_per_byte),
            max_copied: self.max_copied.or(other.max_copied),
            routes: if self.routes.is_empty() { other.routes } else { self.routes },
            ignore_below: self.ignore_below.or(other.ignore_below),
            allow_inferred: self.allow_inferred || other.allow_inferred,
        }
    }

    /// With a limit, if there is none.
    #[must_use]
    pub fn limited(mut self) -> Self {
        if self.max_copied.is_none() {
            self.max_copies_per_byte.get_or_insert(MAX_COPIES_PER_BYTE);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_the_flags_do() {
        let text = "max-copies-per-byte = 0.1\nmax-copied = \"1MiB\"\nroutes = [\"sendfile\"]\n\
                    ignore-below = 4096\nallow-inferred = true\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.max_copies_per_byte, Some(0.1));
        assert_eq!(policy.max_copied, Some(Bytes(1 << 20)));
        assert_eq!(policy.routes, [RouteName(Route::Sendfile)]);
        assert_eq!(policy.ignore_below, Some(Bytes(4096)));
        assert!(policy.allow_inferred);
        let flags = Policy { max_copied: Some(Bytes(0)), ..Policy::default() };
        let both = flags.or(policy);
        assert_eq!((both.max_copied, both.max_copies_per_byte), (Some(Bytes(0)), Some(0.1)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let wrong = [
            ("max-copies = 1", "unknown field"),
            ("\nmax-copied = \"many\"", "line 2, column 14"),
            ("routes = [\"carrier\"]", "no route \"carrier\""),
            ("max-copies-per-byte = -1.0", "from 0 to 1000"),
            ("max-copies-per-byte = nan", "from 0 to 1000"),
        ];
        for (text, said) in wrong {
            let error = Policy::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_limit_is_made_where_there_is_none() {
        let none = Policy::default().limited();
        assert_eq!(none.max_copies_per_byte, Some(MAX_COPIES_PER_BYTE));
        let one = Policy { max_copied: Some(Bytes(1)), ..Policy::default() };
        assert_eq!(one.clone().limited(), one);
    }
}
