//! Call sites: where the bytes of some processes were copied, the most first.

use std::collections::{BTreeMap, BTreeSet};

use zc_common::flow::{Direction, Route};

use super::summary::{Amount, Quality};

/// One step of a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// Whether it is the kernel's.
    pub kernel: bool,
    /// The function, if its name is known.
    pub function: Option<String>,
    /// The file it is mapped from, if there is one.
    pub module: Option<String>,
    /// The place in that file, or without one the address; of a function whose name is
    /// known it says nothing more.
    pub offset: u64,
}

/// How whole a stack is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whole {
    /// All that there was to take was taken.
    #[default]
    Yes,
    /// A part could not be taken.
    No,
}

/// What was copied at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The process, 0 for nobody's.
    pub tgid: u32,
    /// The interface.
    pub route: Route,
    /// Across which boundary.
    pub direction: Direction,
    /// How it is known.
    pub quality: Quality,
    /// How much; one call is one copy.
    pub amount: Amount,
    /// The stack, the innermost frame first.
    pub frames: Vec<Frame>,
    /// Whether that is all of it.
    pub whole: Whole,
}

/// The sites of some processes that copied most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// The most first; those of one stack, route, direction and quality are one.
    pub sites: Vec<Site>,
    /// Bytes at all their sites.
    pub bytes: u64,
    /// Bytes at those that are left out.
    pub rest: u64,
    /// Bytes at those of whose stack a part could not be taken.
    pub partly: u64,
}

/// The frames of zc's own programs, which stand before those of what they watch.
const OWN: [&str; 2] = ["bpf_prog_", "bpf_trampoline_"];
/// Where a function returns to that has a kretprobe. Before 5.16 the kernel did not see
/// beyond it.
const DEAD_END: &str = "kretprobe_trampoline";

impl Frame {
    fn is_own(&self) -> bool {
        let is = |name: &String| OWN.iter().any(|own| name.starts_with(own));
        self.function.as_ref().is_none_or(is)
    }

    fn is_dead_end(&self) -> bool {
        self.function.as_ref().is_some_and(|name| name == DEAD_END)
    }
}

/// A stack: the kernel's frames, without those of zc's own programs at their start, then
/// the process'; and whether those are all. Where in a function a call stands is left out,
/// so that sites of one function come together.
#[must_use]
pub fn stack(kernel: Vec<Frame>, user: Vec<Frame>) -> (Vec<Frame>, Whole) {
    let whole = if kernel.iter().any(Frame::is_dead_end) { Whole::No } else { Whole::Yes };
    let kernel = kernel.into_iter().skip_while(Frame::is_own).filter(|frame| !frame.is_dead_end());
    let by_function = |frame: Frame| match frame.function {
        Some(_) => Frame { offset: 0, ..frame },
        None => frame,
    };
    (kernel.chain(user).map(by_function).collect(), whole)
}

/// The `limit` sites of the processes `of` that copied most; of all without `of`.
#[must_use]
pub fn top(sites: Vec<Site>, of: Option<&BTreeSet<u32>>, limit: usize) -> Top {
    let wanted = sites.into_iter().filter(|site| of.is_none_or(|of| of.contains(&site.tgid)));
    let mut merged: BTreeMap<_, Site> = BTreeMap::new();
    let mut top = Top::default();
    for site in wanted {
        top.bytes += site.amount.bytes;
        if site.whole == Whole::No {
            top.partly += site.amount.bytes;
        }
        let quality = site.quality.name();
        let key = (site.frames.clone(), site.route, site.direction, quality, site.whole);
        if let Some(known) = merged.get_mut(&key) {
            known.amount.bytes += site.amount.bytes;
            known.amount.calls += site.amount.calls;
        } else {
            merged.insert(key, site);
        }
    }
    top.sites = merged.into_values().collect();
    top.sites.sort_by_key(|site| std::cmp::Reverse(site.amount.bytes));
    let left_out = top.sites.split_off(limit.min(top.sites.len()));
    top.rest = left_out.iter().map(|site| site.amount.bytes).sum();
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kernel: bool, name: &str, offset: u64) -> Frame {
        let function = (!name.is_empty()).then(|| name.to_owned());
        Frame { kernel, function, module: None, offset }
    }

    fn site(tgid: u32, bytes: u64, frames: Vec<Frame>) -> Site {
        Site {
            tgid,
            route: Route::Read,
            direction: Direction::ToUser,
            quality: Quality::Measured,
            amount: Amount { bytes, calls: 1 },
            frames,
            whole: Whole::Yes,
        }
    }

    #[test]
    fn sites_of_one_stack_are_one_the_most_first() {
        let read = |offset| stack(vec![frame(true, "vfs_read", offset)], vec![]).0;
        let write = || stack(vec![frame(true, "vfs_write", 1)], vec![]).0;
        let sites = vec![
            site(1, 2, read(4)),
            site(1, 5, write()),
            site(2, 4, read(9)),
            site(9, 1, read(4)),
        ];
        let found = top(sites.clone(), Some(&[1, 2].into()), 10);
        let bytes: Vec<_> = found.sites.iter().map(|site| site.amount.bytes).collect();
        assert_eq!((bytes, found.bytes, found.rest), (vec![6, 5], 11, 0));
        assert_eq!(found.sites[0].amount.calls, 2);
        let all = top(sites, None, 1);
        assert_eq!((all.sites.len(), all.bytes, all.rest), (1, 12, 5));
    }

    #[test]
    fn what_is_known_in_another_way_stays_apart() {
        let inferred = Site { quality: Quality::Inferred, ..site(1, 2, vec![]) };
        let cut = Site { whole: Whole::No, ..site(1, 3, vec![]) };
        let found = top(vec![site(1, 1, vec![]), inferred, cut], None, 10);
        assert_eq!((found.sites.len(), found.bytes, found.partly), (3, 6, 3));
    }

    #[test]
    fn a_stack_begins_where_the_kernel_copies() {
        let kernel = vec![
            frame(true, "bpf_prog_0123_filemap_read", 1),
            frame(true, "", 7),
            frame(true, "filemap_read", 2),
            frame(true, "", 8),
        ];
        let (frames, whole) = stack(kernel, vec![frame(false, "", 3), frame(false, "main", 4)]);
        assert_eq!(whole, Whole::Yes);
        let [first, second, third, last] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!((first.function.as_deref(), first.offset), (Some("filemap_read"), 0));
        assert_eq!((second.offset, third.offset, last.offset), (8, 3, 0));
    }

    #[test]
    fn a_stack_that_ends_at_a_kretprobe_is_not_whole() {
        let user = vec![frame(false, "main", 4)];
        let (frames, whole) = stack(vec![frame(true, "kretprobe_trampoline", 0)], user);
        assert_eq!((frames.len(), whole), (1, Whole::No));
    }
}
