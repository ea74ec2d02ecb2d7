//! Which layer imports from which.

use std::collections::BTreeMap;

use crate::{
    GENERATED, ROOT, SWARM, graph::Graph, paths::Imports, purity::is_below, sources::Sources,
};

/// Files that stand on the same ground.
#[derive(Debug)]
pub struct Layer {
    name: &'static str,
    /// The beginnings of their names.
    starts: &'static [&'static str],
    reach: Reach,
    /// Whether each file and its folder imports from none beside it.
    islands: bool,
}

/// From which layers below it a layer may import.
#[derive(Debug, Clone, Copy)]
pub enum Reach {
    All,
    AllBut(&'static [&'static str]),
    Only(&'static [&'static str]),
}

impl Layer {
    pub const fn new(name: &'static str, starts: &'static [&'static str]) -> Self {
        Self {
            name,
            starts,
            reach: Reach::All,
            islands: false,
        }
    }

    pub const fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    pub const fn of_islands(self) -> Self {
        Self {
            islands: true,
            ..self
        }
    }

    fn reaches(&self, below: &Self) -> bool {
        match self.reach {
            Reach::All => true,
            Reach::AllBut(layers) => !layers.contains(&below.name),
            Reach::Only(layers) => layers.contains(&below.name),
        }
    }

    /// Which of the layer's islands the file lies on: `a/b` for `a/b` and all that is in `a/b/`.
    fn island<'a>(&self, file: &'a str) -> Option<&'a str> {
        let start = self.starts.iter().find(|start| is_below(file, start))?;
        let rest = file[start.len()..].strip_prefix('/')?;
        let name = rest.split('/').next().unwrap_or(rest);
        Some(&file[..start.len() + 1 + name.len()])
    }
}

/// An import: the file, where the path leads to, and the path as it was written.
struct Import {
    from: String,
    to: String,
    path: String,
}

/// What hides an import, or would if it were allowed.
pub fn hidden(sources: &Sources) -> Vec<String> {
    imports(sources).1
}

fn imports(sources: &Sources) -> (Vec<Import>, Vec<String>) {
    let mut imports = Vec::new();
    let mut complaints = Vec::new();
    let found: Vec<_> = sources
        .parsed
        .iter()
        .filter(|(file, _)| file != ROOT && !sources.is_tests(file))
        .map(|(file, parsed)| (file, Imports::find(parsed)))
        .collect();
    let declares = |target: &str| {
        let mut found = found.iter();
        found.any(|(file, found)| *file == target && !found.defines)
    };
    for (file, found) in &found {
        complaints.extend(found.refused.iter().map(|what| format!("{file}: {what}")));
        for path in &found.paths {
            let written = format!("crate::{}", path.join("::"));
            match sources.file_of(path) {
                None => complaints.push(format!(
                    "{file}: {written} is a re-export: name the file that defines it"
                )),
                Some(target) if target == **file => {}
                Some(target) if declares(&target) => complaints.push(format!(
                    "{file}: {written} names {target}, which defines nothing"
                )),
                Some(target) => imports.push(Import {
                    from: (*file).clone(),
                    to: target,
                    path: written,
                }),
            }
        }
    }
    (imports, complaints)
}

/// Every cycle of imports.
pub fn cycles(sources: &Sources) -> Vec<String> {
    let mut graph = Graph::default();
    for import in imports(sources).0 {
        graph.add(&import.from, &import.to, &import.path);
    }
    let cycles = graph.cycles();
    cycles
        .into_iter()
        .map(|cycle| format!("a cycle: {cycle}"))
        .collect()
}

/// The imports that go up, or into a layer that is out of reach, and the files without a layer.
pub fn upward(sources: &Sources, layers: &[Layer]) -> Vec<String> {
    let mut complaints = Vec::new();
    let of = |file: &str| {
        let is_of = |layer: &Layer| layer.starts.iter().any(|start| is_below(file, start));
        layers.iter().position(is_of)
    };
    let by_hand = |file: &&String| ![ROOT, SWARM, GENERATED].contains(&file.as_str());
    for file in sources.files.iter().filter(by_hand) {
        if of(file).is_none() {
            complaints.push(format!("{file} is in no layer: put it into one"));
        }
    }
    for start in layers.iter().flat_map(|layer| layer.starts) {
        if !sources.files.iter().any(|file| is_below(file, start)) {
            complaints.push(format!("there is no {start}: take it out of the layers"));
        }
    }
    let mut paths: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for import in imports(sources).0 {
        let pair = paths.entry((import.from, import.to)).or_default();
        pair.push(import.path);
    }
    for ((from, to), paths) in paths {
        // Without a layer, it is complained about already.
        let (Some(high), Some(low)) = (of(&from), of(&to)) else {
            continue;
        };
        let (layer, below) = (&layers[high], &layers[low]);
        let why = if low > high {
            "above it"
        } else if low == high {
            match layer.islands && layer.island(&from) != layer.island(&to) {
                true => "beside it",
                false => continue,
            }
        } else if !layer.reaches(below) {
            "out of its reach"
        } else {
            continue;
        };
        complaints.push(format!(
            "{from}, in layer {}, imports {} from {to}, in layer {}, {why}",
            layer.name,
            paths.join(", "),
            below.name
        ));
    }
    complaints
}
