//! Hostile bytes for what reads names, identities, templates, policies and what the programs
//! wrote. Each says whether they were read as something.

use std::sync::OnceLock;

use zc_common::{
    site::CallSite,
    slot::{Owner, Reading, Slot},
};

use super::{
    bytes::Bytes,
    cgroup::Place,
    identity::{self, Field, Identity, Names},
    policy::{Policy, RouteName},
    recording::{
        Header, Interval,
        frame::{self, Kind, MAGIC},
        reader,
        sums::Sums,
    },
    template::{BUILT_IN, LONGEST, Template},
};

pub(crate) fn cgroup_path(bytes: &[u8]) -> bool {
    let path = String::from_utf8_lossy(bytes);
    let place = Place::of(&path);
    for part in [place.unit, place.container].into_iter().flatten() {
        assert!(path.contains(part) && !part.contains('/'));
    }
    assert!(place.container.is_none_or(|id| id.len() == 64));
    assert!(place.pod.as_ref().is_none_or(|uid| uid.len() == 36 || uid.len() == 32));
    place != Place::default()
}

pub(crate) fn comm(bytes: &[u8]) -> bool {
    let text = identity::text(bytes);
    assert!(!text.contains('\0') && text.len() <= 3 * bytes.len());
    // What is text stays as it is.
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    assert!(str::from_utf8(name).map_or(text.contains('\u{fffd}'), |name| name == text));
    !text.is_empty()
}

pub(crate) fn argv(bytes: &[u8]) -> bool {
    let line = identity::words(bytes);
    assert!(!line.contains('\0') && line.len() <= 3 * Slot::ARGV);
    !line.is_empty()
}

/// A machine on which all has one name.
struct Machine<'a>(&'a [u8]);

impl Names for Machine<'_> {
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn cgroup(&mut self, _: u64) -> Option<String> {
        Some(String::from_utf8_lossy(self.0).into_owned())
    }

    fn user(&mut self, uid: u32) -> Option<String> {
        Some(uid.to_string())
    }

    fn pod(&mut self, uid: &str) -> Option<(String, String)> {
        Some((uid.to_owned(), String::from_utf8_lossy(self.0).into_owned()))
    }

    fn argv(&mut self, _: u32, _: &Owner) -> Option<Vec<u8>> {
        Some(self.0.to_vec())
    }
}

fn built_in() -> &'static [Template] {
    static TEMPLATES: OnceLock<Vec<Template>> = OnceLock::new();
    let parse = |(_, text): &(_, &str)| Template::parse(text).expect("a template of zc's own");
    TEMPLATES.get_or_init(|| BUILT_IN.iter().map(parse).collect())
}

/// The bytes as the words of a slot; what follows them is what the host calls its owner.
pub(crate) fn slot(bytes: &[u8]) -> bool {
    let word = |position: usize| {
        let rest = bytes.get(8 * position..).unwrap_or_default();
        let mut word = [0; 8];
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(word)
    };
    let mut reading = Reading::empty();
    if !reading.fill(1, false, word) {
        return false;
    }
    let owner = reading.owner.as_ref().expect("a slot that is not reserved has an owner");
    let names = bytes.get(22 * 8..).unwrap_or_default();
    let identity = Identity::of(1, owner, &mut Machine(names));
    for field in Field::ALL {
        let value = identity.get(*field);
        assert!(value.is_none_or(|value| !value.is_empty()), "{field:?} is known and empty");
    }
    for name in built_in().iter().filter_map(|template| template.name(&identity)) {
        assert!(!name.is_empty() && name.len() <= LONGEST, "{name:?}");
    }
    true
}

pub(crate) fn call_site(bytes: &[u8]) -> bool {
    let mut words = [0; CallSite::WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
    }
    let site = CallSite::from_words(words);
    let (kernel, user) = site.numbers();
    assert_eq!(CallSite::stacks(kernel, user), site.stacks);
    let Some((route, direction, known)) = site.decode() else { return false };
    let kind = CallSite::kind(route as u8, direction as u8, known);
    assert_eq!(kind, site.kind & 0xff_ffff);
    true
}

pub(crate) fn template(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(template) = Template::parse(&text) else { return false };
    let mut identity = Identity::default();
    for field in Field::ALL {
        identity.set(*field, Some(field.name().repeat(40)));
    }
    let name = template.name(&identity);
    assert!(name.is_none_or(|name| !name.is_empty() && name.len() <= LONGEST));
    true
}

pub(crate) fn policy(bytes: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(&String::from_utf8_lossy(bytes)) else { return false };
    let limited = policy.limited();
    assert!(limited.max_copied.is_some() || limited.max_copies_per_byte.is_some());
    let shown = toml::to_string(&limited).map(|text| Policy::parse(&text));
    // TOML has no number beyond i64's.
    assert!(shown.is_err() || shown == Ok(Ok(limited)), "{shown:?}");
    true
}

pub(crate) fn amount(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(number) = text.parse::<u32>() {
        assert_eq!(text.parse(), Ok(Bytes(number.into())));
    }
    text.parse().is_ok_and(|amount: Bytes| !amount.to_string().is_empty())
}

pub(crate) fn route(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.parse().is_ok_and(|RouteName(route)| {
        assert_eq!(route.name(), text);
        true
    })
}

/// A whole file: what its beginning says does not change with what follows.
pub(crate) fn recording(bytes: &[u8]) -> bool {
    let intervals = |bytes: &[u8]| {
        let mut known: Vec<Interval> = Vec::new();
        reader::read(bytes, &mut |_, interval| known.push(interval)).map(|read| (read, known))
    };
    let Ok((read, known)) = intervals(bytes) else { return false };
    assert_eq!(known.len(), read.records as usize);
    assert!(read.trailer.is_some() || read.cut.is_some(), "it ends without an end");
    let half = intervals(&bytes[..bytes.len() / 2]);
    assert!(half.is_err() || half.is_ok_and(|(_, some)| known.starts_with(&some)));
    true
}

/// What an interval's record holds, in a file that is whole otherwise.
pub(crate) fn recorded_interval(bytes: &[u8]) -> bool {
    let counters = ["flow/ReadFile/bytes", "flow/ReadFile/calls", "unheard/of"];
    let counters = counters.map(str::to_owned).to_vec();
    let header = frame::encode(Kind::Header, &Header { counters, ..Header::default() });
    let record = frame::pack(Kind::Interval, bytes).expect("a short record");
    let file = [&MAGIC[..], &header.expect("a header"), &record].concat();
    let sums = Sums::of(&file).expect("a recording with a whole header");
    assert!(sums.read.cut.is_some());
    assert_eq!(sums.points.len(), sums.read.records as usize);
    sums.read.records == 1
}
