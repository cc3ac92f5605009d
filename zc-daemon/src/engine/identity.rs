//! Who a process is: all that groups can be made by.

use std::borrow::Cow;

use zc_common::slot::{Owner, Slot};

use super::cgroup::Place;

macro_rules! fields {
    ($($(#[$documentation:meta])* $field:ident = $name:literal;)+) => {
        /// One thing that is known of a process; templates and labels call it by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field {
            $($(#[$documentation])* $field,)+
        }

        impl Field {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$field),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)+
                }
            }
        }
    };
}

fields! {
    /// What it calls itself: its leader's comm.
    Comm = "comm";
    /// The base name of the file that it runs.
    Exe = "exe";
    /// Its arguments, with spaces between; the first [`Slot::ARGV`] bytes.
    Argv = "argv";
    /// The path of its cgroup.
    Cgroup = "cgroup";
    /// Its systemd unit.
    Unit = "unit";
    /// The first twelve digits of its container's id.
    Container = "container";
    /// What runs the container.
    Runtime = "runtime";
    /// Its pod.
    PodUid = "pod_uid";
    /// The pod's namespace.
    PodNamespace = "pod_namespace";
    /// The pod's name.
    PodName = "pod_name";
    /// Its effective user's name, or number.
    User = "user";
}

/// The labels of `zc_group_info` after the group.
pub const LABELS: [Field; 7] = [
    Field::Unit,
    Field::Container,
    Field::Runtime,
    Field::PodUid,
    Field::PodNamespace,
    Field::PodName,
    Field::User,
];

/// Where what is no number in a slot comes from.
pub trait Names: Send {
    /// A pass begins: what was not found may be looked for anew.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    fn begin(&mut self) -> anyhow::Result<()>;

    /// The path of a cgroup.
    fn cgroup(&mut self, id: u64) -> Option<String>;

    /// The name of a user.
    fn user(&mut self, uid: u32) -> Option<String>;

    /// Namespace and name of a pod.
    fn pod(&mut self, uid: &str) -> Option<(String, String)>;

    /// The arguments of the owner of a slot, each ended by a zero.
    fn argv(&mut self, slot: u32, owner: &Owner) -> Option<Vec<u8>>;
}

/// Names nothing: where there are no groups to be told apart.
#[derive(Clone, Copy, Debug)]
pub struct NoNames;

impl Names for NoNames {
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn cgroup(&mut self, _: u64) -> Option<String> {
        None
    }

    fn user(&mut self, _: u32) -> Option<String> {
        None
    }

    fn pod(&mut self, _: &str) -> Option<(String, String)> {
        None
    }

    fn argv(&mut self, _: u32, _: &Owner) -> Option<Vec<u8>> {
        None
    }
}

/// Digits of a container's id that are shown, as `docker ps` does.
const SHOWN: usize = 12;

/// What is known of one process, or of all of a group that share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity([Option<String>; Field::ALL.len()]);

impl Identity {
    /// Of the owner of a slot.
    pub fn of(slot: u32, owner: &Owner, names: &mut dyn Names) -> Self {
        let mut identity = Self::default();
        identity.set(Field::Comm, Some(text(&owner.comm).into_owned()));
        if owner.kernel_thread {
            return identity;
        }
        identity.set(Field::Exe, Some(text(&owner.exe).into_owned()));
        identity.set(Field::User, names.user(owner.uid));
        identity.set(Field::Argv, names.argv(slot, owner).map(|argv| words(&argv)));
        if let Some(path) = names.cgroup(owner.cgroup) {
            let place = Place::of(&path);
            let pod = place.pod.as_deref().and_then(|uid| names.pod(uid)).unzip();
            identity.set(Field::Unit, place.unit.map(str::to_owned));
            identity.set(Field::Container, place.container.map(|id| id[..SHOWN].to_owned()));
            identity.set(Field::Runtime, place.runtime.map(str::to_owned));
            identity.set(Field::PodUid, place.pod);
            identity.set(Field::PodNamespace, pod.0);
            identity.set(Field::PodName, pod.1);
            identity.set(Field::Cgroup, Some(path));
        }
        identity
    }

    pub(crate) fn set(&mut self, field: Field, value: Option<String>) {
        self.0[field as usize] = value.filter(|value| !value.is_empty());
    }

    /// One field, if it is known.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&str> {
        self.0[field as usize].as_deref()
    }

    /// Forgets what another one does not share.
    pub fn keep_common(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            if own != other {
                *own = None;
            }
        }
    }
}

/// A name of the kernel's as text, to its first zero; bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}

/// Arguments as one line.
pub(super) fn words(argv: &[u8]) -> String {
    let kept = &argv[..argv.len().min(Slot::ARGV)];
    String::from_utf8_lossy(kept).trim_end_matches('\0').replace('\0', " ")
}
