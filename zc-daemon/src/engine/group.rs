//! Groups of processes: the one open label of the metrics, capped.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use zc_common::{counter::Tally, slot::Owner};

use super::{
    identity::{Identity, Names, NoNames},
    sparse::Sparse,
    template::{BUILT_IN, Template},
};

/// The group that takes what no other may: processes that no rule names, groups beyond the cap
/// or expired, and charges of threads that got no slot. So sums over groups always hold.
pub const OTHER: &str = "other";

/// The group of every kernel thread; `ps` shows them in brackets too.
pub const KERNEL: &str = "[kernel]";

/// Tells the group of a process.
pub struct Sorter {
    template: Template,
    names: Box<dyn Names>,
}

impl Sorter {
    /// By a template, with what the edge knows.
    #[must_use]
    pub fn new(template: Template, names: Box<dyn Names>) -> Self {
        Self { template, names }
    }

    /// By another template from here on.
    pub fn sort_by(&mut self, template: Template) {
        self.template = template;
    }

    /// A pass begins.
    ///
    /// # Errors
    ///
    /// If what is known could not be brought up to date.
    pub fn begin(&mut self) -> anyhow::Result<()> {
        self.names.begin()
    }

    /// The name of the group of a slot's owner, and who that is.
    pub fn sort(&mut self, slot: u32, owner: &Owner) -> (String, Identity) {
        let identity = Identity::of(slot, owner, self.names.as_mut());
        let name = if owner.kernel_thread {
            KERNEL.to_owned()
        } else {
            self.template.name(&identity).unwrap_or_else(|| OTHER.to_owned())
        };
        (name, identity)
    }
}

impl Default for Sorter {
    /// By the template that needs no names but the kernel's.
    fn default() -> Self {
        let comm = BUILT_IN.iter().find(|(name, _)| *name == "comm");
        let template = comm.and_then(|(_, text)| Template::parse(text).ok());
        let template = template.expect("the template by comm is tested to be right");
        Self::new(template, Box::new(NoNames))
    }
}

/// Who belongs to a group: it does not expire while somebody does.
#[derive(Clone, Debug)]
pub struct Member(Arc<usize>);

impl Member {
    /// Whether both belong to the same group.
    #[must_use]
    pub fn is_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One group.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its total, which only grows.
    pub total: Tally,
    /// What is known of all its members.
    identity: Identity,
    /// Whether it has a place under the cap: from its first traffic on.
    placed: bool,
    own: Member,
    /// When it was first seen without members.
    left: Option<Instant>,
}

impl Group {
    fn new(name: &str, identity: Identity, position: usize) -> Self {
        Self {
            name: name.to_owned(),
            total: Tally::default(),
            identity,
            placed: false,
            own: Member(Arc::new(position)),
            left: None,
        }
    }

    fn has_members(&self) -> bool {
        Arc::strong_count(&self.own.0) > 1
    }

    /// What its members share, while it has any.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.has_members().then_some(&self.identity)
    }
}

/// Every group and its total. Sums over them only grow.
#[derive(Debug)]
pub struct Groups {
    cap: usize,
    expiry: Duration,
    /// The first is [`OTHER`].
    all: Vec<Option<Group>>,
    positions: HashMap<String, usize>,
    placed: usize,
    overflowed: u64,
    expired: u64,
}

impl Groups {
    /// No groups but [`OTHER`]; at most `cap` besides, which expire so long after their last
    /// member left.
    #[must_use]
    pub fn new(cap: usize, expiry: Duration) -> Self {
        let mut groups = Self {
            cap,
            expiry,
            all: Vec::new(),
            positions: HashMap::new(),
            placed: 0,
            overflowed: 0,
            expired: 0,
        };
        groups.all.push(Some(Group::new(OTHER, Identity::default(), 0)));
        groups.positions.insert(OTHER.to_owned(), 0);
        groups
    }

    /// Other limits from here on; groups that have a place keep it.
    pub fn limit(&mut self, cap: usize, expiry: Duration) {
        self.cap = cap;
        self.expiry = expiry;
    }

    /// Makes somebody a member of the group of this name.
    pub fn join(&mut self, name: &str, identity: &Identity) -> Member {
        if let Some(position) = self.positions.get(name)
            && let Some(group) = &mut self.all[*position]
        {
            if group.has_members() {
                group.identity.keep_common(identity);
            } else {
                group.identity.clone_from(identity);
            }
            return group.own.clone();
        }
        let free = self.all.iter().position(Option::is_none);
        let position = free.unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() - 1
        });
        let group = Group::new(name, identity.clone(), position);
        let member = group.own.clone();
        self.all[position] = Some(group);
        self.positions.insert(name.to_owned(), position);
        member
    }

    /// Adds a member's delta to its group; to [`OTHER`] while there is no place for that.
    pub fn book(&mut self, member: &Member, delta: &Sparse) {
        let (cap, placed) = (self.cap, self.placed);
        match &mut self.all[*member.0] {
            Some(group) if group.placed => delta.add_to(&mut group.total),
            Some(group) if *member.0 != 0 && placed < cap => {
                group.placed = true;
                delta.add_to(&mut group.total);
                self.placed += 1;
            }
            _ => {
                self.overflowed += u64::from(*member.0 != 0);
                self.book_other(delta);
            }
        }
    }

    /// Adds a delta that is nobody's.
    pub fn book_other(&mut self, delta: &Sparse) {
        if let Some(other) = &mut self.all[0] {
            delta.add_to(&mut other.total);
        }
    }

    /// Forgets groups without members: at once those without traffic; after a time the rest,
    /// whose totals go to [`OTHER`].
    pub fn expire(&mut self, now: Instant) {
        let mut expired = Tally::default();
        for place in self.all.iter_mut().skip(1) {
            let Some(group) = place else { continue };
            if group.has_members() {
                group.left = None;
                continue;
            }
            let left = *group.left.get_or_insert(now);
            if group.placed && now.saturating_duration_since(left) < self.expiry {
                continue;
            }
            if group.placed {
                expired.add(&group.total);
                self.placed -= 1;
                self.expired += 1;
            }
            self.positions.remove(&group.name);
            *place = None;
        }
        if let Some(other) = &mut self.all[0] {
            other.total.add(&expired);
        }
    }

    /// The name of a member's group.
    #[must_use]
    pub fn name(&self, member: &Member) -> &str {
        self.all[*member.0].as_ref().map_or(OTHER, |group| &group.name)
    }

    /// Every group that has traffic, and [`OTHER`].
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        let groups = self.all.iter().flatten();
        groups.filter(|group| group.placed || group.name == OTHER)
    }

    /// How often something had to be booked to [`OTHER`] for want of room.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// How many groups have expired.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.expired
    }
}
