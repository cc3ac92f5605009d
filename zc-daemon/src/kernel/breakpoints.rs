//! THE table of breakpoints: the kernel's very copy functions, which nothing but a
//! hardware breakpoint reaches, and how the bytes of a call are told from its arguments.
//!
//! Which of them a kernel has, its own list of symbols says. None of those that are
//! counted calls another one on the same bytes.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};
use zc_common::audit::Rule::{self, Asked, Clamped, User, Whole};

/// How many breakpoints a processor has (x86: DR0 to DR3).
pub const MOST: usize = 4;

/// The program that counts.
pub(super) const PROGRAM: &str = "breakpoint";
/// The map it counts in.
pub(super) const MAP: &str = "WATCHED";

/// Which copies a function makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Payload: what files, pipes and sockets carry.
    Payload,
    /// Everything else that crosses to or from user memory: structures, names, numbers.
    User,
}

/// A function that can be watched.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its symbol.
    pub name: &'static str,
    /// Which copies it makes.
    pub set: Set,
    /// Which argument is the length in bytes, from 1.
    pub length: u8,
    /// Which argument is the iterator, from 1; 0 for none.
    pub iterator: u8,
    /// How the bytes are told from them.
    pub rule: Rule,
    /// A symbol of those kernels in which it calls another function of the table for
    /// all it copies, so that it is not to be counted.
    pub passes_on_with: Option<&'static str>,
}

/// A function that copies payload.
const fn payload(name: &'static str, length: u8, iterator: u8, rule: Rule) -> Function {
    Function { name, set: Set::Payload, length, iterator, rule, passes_on_with: None }
}

/// One that copies user memory itself and leaves the rest to others, up to 5.19: from
/// then on (`iov_iter_get_pages2` is of the same release) it leaves everything.
const fn older(name: &'static str) -> Function {
    Function { passes_on_with: Some("iov_iter_get_pages2"), ..payload(name, 3, 4, User) }
}

const fn user(name: &'static str) -> Function {
    Function { set: Set::User, ..payload(name, 3, 0, Asked) }
}

/// Every function, those of most payload first (lib/iov_iter.c, lib/usercopy.c).
pub static FUNCTIONS: &[Function] = &[
    payload("_copy_to_iter", 2, 3, Clamped),
    older("copy_page_to_iter"),
    // Three names for one: since 6.16, 5.14 to 6.15, up to 5.13.
    payload("copy_folio_from_iter_atomic", 3, 4, Clamped),
    payload("copy_page_from_iter_atomic", 3, 4, Clamped),
    payload("iov_iter_copy_from_user_atomic", 4, 2, Clamped),
    payload("_copy_from_iter_full", 2, 3, Whole),
    payload("_copy_from_iter", 2, 3, Clamped),
    older("copy_page_from_iter"),
    payload("_copy_from_iter_nocache", 2, 3, Clamped),
    payload("_copy_from_iter_full_nocache", 2, 3, Whole),
    payload("csum_and_copy_to_iter", 2, 4, Clamped),
    payload("csum_and_copy_from_iter", 2, 4, Clamped),
    payload("csum_and_copy_from_iter_full", 2, 4, Whole),
    payload("_copy_mc_to_iter", 2, 3, Clamped),
    payload("_copy_from_iter_flushcache", 2, 3, Clamped),
    payload("copy_page_to_iter_nofault", 3, 4, Clamped),
    user("_copy_to_user"),
    user("_copy_from_user"),
];

/// Every symbol that a choice depends on.
pub fn symbols() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|function| [Some(function.name), function.passes_on_with]).flatten()
}

/// What to watch on this kernel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// At most [`MOST`] functions, with their addresses.
    pub watched: Vec<(&'static Function, u64)>,
    /// Functions of payload that this kernel has and that are left out.
    pub unwatched: Vec<&'static str>,
}

/// Chooses from what the kernel has: the functions of these names, or else the first of
/// the set.
///
/// # Errors
///
/// If a name is not in the table, or not in this kernel, or there are too many.
pub fn choose(addresses: &HashMap<String, u64>, set: Set, names: &[String]) -> Result<Choice> {
    let counts = |function: &Function| {
        function.passes_on_with.is_none_or(|symbol| !addresses.contains_key(symbol))
    };
    let address = |function: &'static Function| {
        let address = addresses.get(function.name).filter(|_| counts(function))?;
        Some((function, *address))
    };
    let mut watched = Vec::new();
    for name in names {
        let row = FUNCTIONS.iter().find(|function| function.name == name);
        let row = row.with_context(|| format!("zc does not know {name}: {}", known()))?;
        let row = address(row).with_context(|| {
            format!("this kernel has no {name} that copies by itself; leave it out")
        })?;
        if !watched.contains(&row) {
            watched.push(row);
        }
    }
    if names.is_empty() {
        let of_set = FUNCTIONS.iter().filter(|function| function.set == set);
        watched = of_set.filter_map(address).take(MOST).collect();
    }
    if watched.is_empty() {
        bail!("this kernel has none of the functions that zc can watch; please report its version");
    }
    let many = watched.len();
    ensure!(many <= MOST, "a processor has {MOST} breakpoints, and {many} are asked for");
    let payload = FUNCTIONS.iter().filter(|function| function.set == Set::Payload);
    let rest = payload.filter_map(address).filter(|row| !watched.contains(row));
    let unwatched = rest.map(|(function, _)| function.name).collect();
    Ok(Choice { watched, unwatched })
}

fn known() -> String {
    let names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
    format!("it can watch {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(symbols: &[&str]) -> HashMap<String, u64> {
        let common = ["_copy_to_user", "_copy_from_user", "_copy_to_iter", "copy_page_to_iter"];
        let more = ["_copy_from_iter", "copy_page_from_iter", "_copy_from_iter_nocache"];
        let all = common.iter().chain(&more).chain(symbols);
        all.zip(1..).map(|(name, address)| ((*name).to_owned(), address)).collect()
    }

    fn names(choice: &Choice) -> Vec<&'static str> {
        choice.watched.iter().map(|(function, _)| function.name).collect()
    }

    #[test]
    fn each_kernel_has_its_four() {
        let five = kernel(&["iov_iter_copy_from_user_atomic", "_copy_from_iter_full"]);
        let choice = choose(&five, Set::Payload, &[]).unwrap();
        assert_eq!(names(&choice)[..2], ["_copy_to_iter", "copy_page_to_iter"]);
        assert_eq!(names(&choice)[2..], ["iov_iter_copy_from_user_atomic", "_copy_from_iter_full"]);
        assert!(choice.unwatched.contains(&"copy_page_from_iter"));
        let six = kernel(&["copy_page_from_iter_atomic", "iov_iter_get_pages2"]);
        let choice = choose(&six, Set::Payload, &[]).unwrap();
        assert_eq!(names(&choice)[..2], ["_copy_to_iter", "copy_page_from_iter_atomic"]);
        assert_eq!(names(&choice)[2..], ["_copy_from_iter", "_copy_from_iter_nocache"]);
        assert!(choice.unwatched.is_empty());
        let choice = choose(&six, Set::User, &[]).unwrap();
        assert_eq!(names(&choice), ["_copy_to_user", "_copy_from_user"]);
    }

    #[test]
    fn what_cannot_be_watched_is_refused_with_a_reason() {
        let six = kernel(&["iov_iter_get_pages2"]);
        let refused = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(&six, Set::Payload, &names).unwrap_err().to_string()
        };
        assert!(refused(&["memcpy"]).contains("does not know memcpy"));
        assert!(refused(&["copy_page_to_iter"]).contains("no copy_page_to_iter"));
        let five = [
            "_copy_to_iter",
            "_copy_from_iter",
            "_copy_from_iter_nocache",
            "_copy_to_user",
            "_copy_from_user",
        ];
        assert!(refused(&five).contains("has 4 breakpoints, and 5 are asked for"));
    }
}
