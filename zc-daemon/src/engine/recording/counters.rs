//! What each counter of a tally is called in a recording, so that a reader of another version
//! of zc finds it wherever it stands.

use zc_common::{
    counter::{Backing, Checked, Counter, Fault, Switch},
    fallback::Fallback,
    flow::{Direction, Flow, Route},
    syscall::Class,
};

/// The name of every counter, by position.
#[must_use]
pub fn names() -> Vec<String> {
    let mut names = vec![String::new(); Counter::COUNT];
    let mut name = |counter: Counter, text: String| names[counter.index()] = text;
    for switch in Switch::ALL {
        name(Counter::switches(*switch), format!("switches/{}", switch.name()));
    }
    for fault in Fault::ALL {
        name(Counter::faults(*fault), format!("faults/{}", fault.name()));
        for backing in Backing::ALL {
            let text = format!("faults/{}/{}", fault.name(), backing.name());
            name(Counter::backed(*fault, *backing), text);
        }
    }
    for class in Class::ALL {
        name(Counter::syscalls(*class), format!("syscalls/{}", class.name()));
    }
    for flow in Flow::ALL {
        name(Counter::bytes(*flow), format!("flow/{flow:?}/bytes"));
        name(Counter::calls(*flow), format!("flow/{flow:?}/calls"));
    }
    for route in Route::ALL {
        for way in Direction::ALL {
            let (bytes, copies) = Counter::measured(*route, *way);
            name(bytes, format!("copied/{}/{}/bytes", route.name(), way.name()));
            name(copies, format!("copied/{}/{}/copies", route.name(), way.name()));
        }
        name(Counter::references(*route), format!("moved/{}", route.name()));
    }
    for fallback in Fallback::ALL {
        let (route, reason) = fallback.row();
        name(Counter::fallback(*fallback), format!("fallback/{}/{}", route.name(), reason.name()));
    }
    for checked in Checked::ALL {
        name(Counter::checked(*checked), format!("checked/{}", checked.name()));
    }
    names
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_counter_has_a_name_of_its_own() {
        let names = names();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), Counter::COUNT);
        assert!(!names.iter().any(String::is_empty));
        assert_eq!(names[Counter::bytes(Flow::ReadFile).index()], "flow/ReadFile/bytes");
    }
}
