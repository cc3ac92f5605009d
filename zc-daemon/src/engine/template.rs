//! How groups are named: rules, of which the first that matches says the name.

use std::collections::HashMap;

use regex::Regex;
use serde::Deserialize;

use super::identity::{Field, Identity};

/// Templates by name, for those who need none of their own. The first is the default.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("default", include_str!("template.toml")),
    ("comm", "[[rule]]\nname = '{comm}'\n"),
    ("exe", "[[rule]]\nname = '{exe}'\n[[rule]]\nname = '{comm}'\n"),
    ("unit", "[[rule]]\nname = '{unit}'\n"),
    ("container", "[[rule]]\nname = '{container}'\n"),
    ("pod", "[[rule]]\nname = '{pod_namespace}/{pod_name}'\n[[rule]]\nname = '{pod_uid}'\n"),
    ("user", "[[rule]]\nname = '{user}'\n"),
    ("cgroup", "[[rule]]\nname = '{cgroup}'\n"),
];

/// The longest name of a group, in bytes; what is longer is cut, and ends in `…`.
pub const LONGEST: usize = 256;

/// Rules in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    rule: Vec<Rule>,
}

/// A name, and who gets it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default, rename = "match")]
    conditions: HashMap<Field, Pattern>,
    name: Name,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        named(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

fn named(name: &str) -> Result<Field, String> {
    let found = Field::ALL.iter().find(|field| field.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
        format!("nothing is called {name:?}; there are {}", names.join(", "))
    })
}

/// A regular expression that a whole value must match, as in Prometheus.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Alone first, so that a parenthesis too many is one.
        let checked = Regex::new(&text).and_then(|_| Regex::new(&format!("^(?s:{text})$")));
        checked.map(Self).map_err(|error| error.to_string())
    }
}

/// A name with places for what is known of a process.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Name(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Of(Field),
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) =
                after.split_once('}').ok_or_else(|| format!("{text:?} has no }} for its {{"))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Of(named(field)?));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        if pieces.is_empty() {
            Err("a group must have a name".to_owned())
        } else {
            Ok(Self(pieces))
        }
    }
}

impl Template {
    /// Reads one from TOML.
    ///
    /// # Errors
    ///
    /// If it is no TOML, or holds what is no rule: the sentence names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The group of a process: the first rule's that it meets, and whose places are known of
    /// it; none if no rule does.
    #[must_use]
    pub fn name(&self, identity: &Identity) -> Option<String> {
        let name = self.rule.iter().find_map(|rule| rule.name(identity))?;
        Some(cut(name))
    }

    /// Whether any rule looks at this.
    #[must_use]
    pub fn uses(&self, field: Field) -> bool {
        self.rule.iter().any(|rule| {
            rule.conditions.contains_key(&field) || rule.name.0.contains(&Piece::Of(field))
        })
    }
}

impl Rule {
    fn name(&self, identity: &Identity) -> Option<String> {
        let meets = |(field, pattern): (&Field, &Pattern)| {
            identity.get(*field).is_some_and(|value| pattern.0.is_match(value))
        };
        if !self.conditions.iter().all(meets) {
            return None;
        }
        let pieces = self.name.0.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Of(field) => identity.get(*field),
        });
        pieces.collect()
    }
}

fn cut(mut name: String) -> String {
    const END: char = '…';
    if name.len() > LONGEST {
        name.truncate(name.floor_char_boundary(LONGEST - END.len_utf8()));
        name.push(END);
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zc_common::slot::{Owner, ProcessKey, Slot};

    use super::{
        super::identity::{Names, NoNames},
        *,
    };

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "1b2c3d4e-0000-4a5b-8c7d-0123456789ab";

    fn owner(comm: &[u8], exe: &[u8], cgroup: u64) -> Owner {
        let key = ProcessKey { tgid: 7, start: 1 };
        let (mut comms, mut exes) = ([0; 16], [0; Slot::EXE]);
        comms[..comm.len()].copy_from_slice(comm);
        exes[..exe.len()].copy_from_slice(exe);
        Owner {
            process: key,
            tid: 7,
            comm: comms,
            exe: exes,
            uid: 33,
            parent: key,
            cgroup,
            taken: 0,
            kernel_thread: false,
        }
    }

    /// A machine on which each cgroup has the path at its place.
    struct Machine(&'static [&'static str]);

    impl Names for Machine {
        fn begin(&mut self) -> anyhow::Result<()> {
            Ok(())
        }

        fn cgroup(&mut self, id: u64) -> Option<String> {
            let path = self.0.get(usize::try_from(id).unwrap())?;
            Some(path.replace("UID", UID).replace("ID", ID))
        }

        fn user(&mut self, uid: u32) -> Option<String> {
            (uid == 33).then(|| "www-data".to_owned())
        }

        fn pod(&mut self, uid: &str) -> Option<(String, String)> {
            (uid == UID).then(|| ("shop".to_owned(), "cart-0".to_owned()))
        }

        fn argv(&mut self, _: u32, _: &Owner) -> Option<Vec<u8>> {
            Some(b"python3\0-m\0http.server\0".to_vec())
        }
    }

    const MACHINE: Machine = Machine(&[
        "/",
        "/system.slice/nginx.service",
        "/docker/ID",
        "/kubepods/podUID/ID",
        "/user.slice/user-0.slice/session-3.scope",
        "/kubepods/pod00000000000000000000000000000000/ID",
    ]);

    fn built_in(name: &str) -> Template {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).unwrap();
        Template::parse(text).unwrap()
    }

    fn names(template: &Template) -> Vec<String> {
        let name = |cgroup| {
            let identity =
                Identity::of(0, &owner(b"3.11", b"python3.11", cgroup), &mut { MACHINE });
            template.name(&identity).unwrap_or_default()
        };
        (0..7).map(name).collect()
    }

    #[test]
    fn built_in_templates_name_what_they_say() {
        let short = &ID[..12];
        let exe = "python3.11";
        let rows = [
            ("default", [exe, "nginx.service", short, "shop/cart-0", exe, short, exe]),
            ("comm", ["3.11"; 7]),
            ("exe", [exe; 7]),
            ("unit", ["", "nginx.service", "", "", "session-3.scope", "", ""]),
            ("container", ["", "", short, short, "", short, ""]),
            ("pod", ["", "", "", "shop/cart-0", "", "00000000000000000000000000000000", ""]),
            ("user", ["www-data"; 7]),
        ];
        for (name, expected) in rows {
            assert_eq!(names(&built_in(name)), expected, "{name}");
        }
        assert_eq!(names(&built_in("cgroup"))[1], "/system.slice/nginx.service");
    }

    #[test]
    fn docs_groups_shows_the_default() {
        let page = include_str!("../../../docs/groups.md");
        let (_, text) = BUILT_IN[0];
        let shown = format!("<!-- default template -->\n```toml\n{text}```\n");
        assert!(page.contains(&shown), "docs/groups.md should show:\n{shown}");
        for field in Field::ALL {
            assert!(page.contains(&format!("`{}`", field.name())), "{field:?}");
        }
    }

    #[test]
    fn without_an_exe_the_comm_stands_for_it() {
        let identity = Identity::of(0, &owner(b"dd", b"", 0), &mut NoNames);
        assert_eq!(built_in("default").name(&identity).unwrap(), "dd");
    }

    #[test]
    fn the_first_rule_that_matches_counts_and_values_match_whole() {
        let template = "[[rule]]\nmatch = { argv = 'http' }\nname = 'part'\n\
                        [[rule]]\nmatch = { argv = '.*http.*', user = 'root|www-data' }\n\
                        name = 'web/{user}/{exe}'\n[[rule]]\nname = 'rest'\n";
        let template = Template::parse(template).unwrap();
        assert_eq!(names(&template)[0], "web/www-data/python3.11");
        assert!(template.uses(Field::Argv) && template.uses(Field::Exe));
        assert!(!template.uses(Field::Unit));
        // Not known, not met.
        let identity = Identity::of(0, &owner(b"dd", b"dd", 0), &mut NoNames);
        assert_eq!(template.name(&identity).unwrap(), "rest");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let rule = |text: &str| format!("[[rule]]\nname = 'a'\n[[rule]]\n{text}\n");
        let wrong = [
            (rule("name = '{pod}'"), "line 4", "nothing is called \"pod\""),
            (rule("name = '{exe'"), "line 4", "has no }"),
            (rule("name = ''"), "line 4", "must have a name"),
            (rule("name = 'b'\nmatch = { exe = '(' }"), "line 5", "unclosed group"),
            (rule("name = 'b'\nmatch = { exe = 'a)|(b' }"), "line 5", "unopened group"),
            (rule("name = 'b'\nmatch = { user_name = 'x' }"), "line 5", "nothing is called"),
            (rule("name = 'b'\nnmae = 'x'"), "line 5", "unknown field"),
            ("[[rules]]\n".to_owned(), "line 1", "unknown field"),
        ];
        for (text, place, said) in wrong {
            let error = Template::parse(&text).unwrap_err();
            assert!(error.contains(place) && error.contains(said), "{text}: {error}");
        }
    }

    proptest! {
        /// Whatever a process calls itself, a name is text of bounded length.
        #[test]
        fn hostile_names_are_bounded(
            comm in prop::collection::vec(any::<u8>(), 0..16),
            exe in prop::collection::vec(any::<u8>(), 0..64),
            repeats in 1_usize..40,
        ) {
            let text = format!(
                "[[rule]]\nname = '{}'\n[[rule]]\nname = 'x{{comm}}'\n[[rule]]\nname = 'y'",
                "{exe}é".repeat(repeats)
            );
            let identity = Identity::of(0, &owner(&comm, &exe, 0), &mut NoNames);
            let name = Template::parse(&text).unwrap().name(&identity).unwrap();
            prop_assert!(!name.is_empty() && name.len() <= LONGEST && !name.contains('\0'));
        }
    }
}
