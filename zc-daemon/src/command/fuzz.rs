//! Hostile bytes for what becomes of cgroups' paths. Each says whether they were read as
//! something.

use std::collections::HashMap;

use zc_common::slot::CgroupPath;

use super::names;

/// An entry of the map `CGROUPS`.
pub(crate) fn cgroup_record(bytes: &[u8]) -> bool {
    let mut record: CgroupPath = [0; size_of::<CgroupPath>()];
    record.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let path = names::whole(&record);
    assert!(path.as_ref().is_none_or(|path| !path.contains('\0')));
    path.is_some_and(|path| !path.is_empty())
}

/// Three paths, a line each: a cgroup's, its new one, and another cgroup's.
pub(crate) fn cgroup_moved(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let [before, now, other] = [(); 3].map(|()| lines.next().unwrap_or_default().to_owned());
    let mut paths = HashMap::from([(1, other.clone()), (2, now.clone())]);
    let below = format!("{before}/below");
    paths.insert(3, below);
    names::moved(&mut paths, &before, &now);
    assert_eq!(paths[&3], format!("{now}/below"));
    let is_below = other.strip_prefix(&*before).is_some_and(|rest| rest.starts_with('/'));
    assert!(is_below || paths[&1] == other, "{other} is not below {before}");
    is_below
}
