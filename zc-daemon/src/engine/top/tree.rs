//! Rows as a tree: cgroups or other groups, with their processes.

use std::collections::BTreeMap;

use super::{Key, arrange::Order, rates::Row};

/// A row of a tree.
#[derive(Clone, Debug)]
pub struct Branch {
    /// How many are above it.
    pub depth: usize,
    /// What it is called there.
    pub label: String,
    /// Its numbers: those of a cgroup with all that are below it.
    pub row: Row,
}

/// A cgroup, or another group, and what is below it.
#[derive(Default)]
struct Node {
    row: Option<Row>,
    below: BTreeMap<String, Node>,
}

/// Groups as a tree, by the path where their name is one, with their processes below them.
#[must_use]
pub fn tree(groups: &[Row], processes: &[Row], order: &Order) -> Vec<Branch> {
    let mut root = Node::default();
    for group in groups {
        let mut node = &mut root;
        for part in parts(&group.name) {
            node = node.below.entry(part.to_owned()).or_default();
        }
        node.row = Some(group.clone());
    }
    let mut members: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for process in order.apply(processes) {
        members.entry(&process.group).or_default().push(process);
    }
    let mut tree = Vec::new();
    root.grow(&mut tree, (0, ""), &members, order);
    tree
}

/// A path's names; any other name is one.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let is_path = name.starts_with('/') && name.len() > 1;
    let whole = (!is_path).then_some(name);
    let path = if is_path { name } else { "" };
    whole.into_iter().chain(path.split('/').filter(|part| !part.is_empty()))
}

impl Node {
    /// Writes what is below it; whether anything was to be shown.
    fn grow(
        self,
        tree: &mut Vec<Branch>,
        (depth, path): (usize, &str),
        members: &BTreeMap<&str, Vec<&Row>>,
        order: &Order,
    ) {
        let mut below: Vec<_> = self
            .below
            .into_iter()
            .map(|(name, node)| {
                let path = format!("{path}/{name}");
                let own = node.row.as_ref().map_or_else(|| path.clone(), |row| row.name.clone());
                (node.sum(&path), name, own, node)
            })
            .filter_map(|(sum, name, own, node)| Some((sum?, name, own, node)))
            .collect();
        below.sort_by(|(a, ..), (b, ..)| order.compare(a, b));
        for (row, label, own, node) in below {
            let at = tree.len();
            let path = row.name.clone();
            let is_wanted = order.has(&row);
            tree.push(Branch { depth, label, row });
            node.grow(tree, (depth + 1, &path), members, order);
            for process in members.get(own.as_str()).into_iter().flatten() {
                let (label, row) = (process.name.clone(), (*process).clone());
                tree.push(Branch { depth: depth + 1, label, row });
            }
            if !is_wanted && tree.len() == at + 1 {
                tree.pop();
            }
        }
    }

    /// Its numbers with those of all below it.
    fn sum(&self, path: &str) -> Option<Row> {
        let below = self.below.iter().map(|(name, node)| node.sum(&format!("{path}/{name}")));
        let rows = self.row.clone().into_iter().chain(below.flatten());
        let mut sum = rows.reduce(|mut sum, row| {
            sum.add(&row);
            sum
        })?;
        if self.row.is_none() {
            (sum.key, sum.name, sum.group) =
                (Key::Group(path.to_owned()), path.to_owned(), path.to_owned());
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use zc_common::flow::Flow;

    use super::*;
    use crate::engine::top::arrange::tests::shown;

    #[test]
    fn cgroups_are_a_tree_of_sums_with_processes_below() {
        let groups = shown(&[
            ("/system.slice/a.service", Flow::ReadFile, 10),
            ("/system.slice", Flow::ReadFile, 1),
            ("/user.slice/b", Flow::ReadFile, 5),
            ("other", Flow::ReadFile, 2),
        ]);
        let mut process = shown(&[("worker", Flow::ReadFile, 10)]).remove(0);
        process.group = "/system.slice/a.service".to_owned();
        process.key = Key::Process(7, 1);
        let lines = |order: &Order| -> Vec<String> {
            let tree = tree(&groups, std::slice::from_ref(&process), order);
            let copied = |row: &Row| row.bytes().unwrap().copied();
            tree.iter()
                .map(|b| format!("{}{} {}", "-".repeat(b.depth), b.label, copied(&b.row)))
                .collect()
        };
        assert_eq!(
            lines(&Order::default()),
            ["system.slice 11", "-a.service 10", "--worker 10", "user.slice 5", "-b 5", "other 2"]
        );
        let order = Order { filter: "work".to_owned(), ..Order::default() };
        assert_eq!(lines(&order), ["system.slice 11", "-a.service 10", "--worker 10"]);
    }
}
