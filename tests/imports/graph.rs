//! Graphs of files, and their cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// For each file the files that it needs, and for each of these what it needs of it.
#[derive(Debug, Default)]
pub struct Graph(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Graph {
    /// `from` needs `what` of `to`.
    pub fn add(&mut self, from: &str, to: &str, what: &str) {
        if from != to {
            let needed = self.0.entry(from.to_owned()).or_default();
            let needed = needed.entry(to.to_owned()).or_default();
            needed.insert(what.to_owned());
        }
    }

    /// For each edge that lies on a cycle the shortest one that it lies on, each once, as text: so
    /// every cycle is broken when the last of these is.
    pub fn cycles(&self) -> Vec<String> {
        let mut cycles = BTreeSet::new();
        for (from, needed) in &self.0 {
            for to in needed.keys() {
                if let Some(back) = self.path(to, from) {
                    cycles.insert(turned(back));
                }
            }
        }
        cycles.iter().map(|cycle| self.written(cycle)).collect()
    }

    /// The shortest path, both ends included.
    fn path<'a>(&'a self, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::from([(from, from)]);
        let mut queue = VecDeque::from([from]);
        while let Some(here) = queue.pop_front() {
            if here == to {
                let mut path = vec![here];
                while let Some(&last) = path.last()
                    && last != from
                {
                    path.push(before[last]);
                }
                path.reverse();
                return Some(path);
            }
            for next in self.0.get(here).into_iter().flat_map(BTreeMap::keys) {
                if !before.contains_key(next.as_str()) {
                    before.insert(next, here);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn written(&self, cycle: &[&str]) -> String {
        let mut text = cycle[0].to_owned();
        for (at, from) in cycle.iter().enumerate() {
            let to = cycle[(at + 1) % cycle.len()];
            let what: Vec<&str> = self.0[*from][to].iter().map(String::as_str).collect();
            text.push_str(&format!(" -> {to} ({})", what.join(", ")));
        }
        text
    }
}

/// The cycle from its first file in the order of the alphabet on.
fn turned(mut cycle: Vec<&str>) -> Vec<&str> {
    let first = cycle.iter().min().copied();
    let at = cycle.iter().position(|file| Some(*file) == first);
    cycle.rotate_left(at.unwrap_or(0));
    cycle
}
