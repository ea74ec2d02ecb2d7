//! Every file of `src/` stands on a floor and imports only from lower floors, so there can be no
//! import cycle.
//!
//! An import is a path that begins with `crate::`, in a `use` or anywhere else, outside tests.
//! Other ways to name a file of this crate are refused, so none goes unseen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use syn::{
    Attribute, Ident, Item, ItemMod, ItemUse, Macro, UseTree, VisRestricted, Visibility,
    buffer::{Cursor, TokenBuffer},
    visit::{self, Visit},
};

/// The floor of each file. Move a file, or add one, with thought: a file that wants to import from
/// its own floor or a higher one is in the wrong place, or holds something that is.
const FLOORS: &[(&str, u8)] = &[
    ("prefixes", 1),
    ("view", 2),
    ("view/properties", 3),
    ("overlay", 3),
    ("sampling", 3),
    ("overlay/any", 5),
    ("overlay/basalt", 4),
    ("overlay/cyclon", 4),
    ("overlay/healing", 2),
    ("overlay/random", 4),
    ("gossip/buffers", 4),
    ("gossip/config", 4),
    ("gossip/message", 4),
    ("gossip/notes", 4),
    ("gossip/admission", 5),
    ("gossip/in_flight", 5),
    ("gossip/schedule", 5),
    ("gossip", 6),
    ("simulator", DECLARES),
    ("simulator/adversary", DECLARES),
    ("simulator/adversary/attack", 1),
    ("simulator/chance", 1),
    ("simulator/bootstrap", 2),
    ("simulator/faults", 2),
    ("simulator/graph", 2),
    ("simulator/host", 3),
    ("simulator/latency", 2),
    ("simulator/samples", 2),
    ("simulator/sets", 2),
    ("simulator/traffic", 2),
    ("simulator/clustering", 3),
    ("simulator/components", 3),
    ("simulator/in_degrees", 3),
    ("simulator/removal", 3),
    ("simulator/paths", 3),
    ("simulator/autocorrelation", 4),
    ("simulator/config", 5),
    ("simulator/adversary/attackers", 6),
    ("simulator/rounds/mail", 5),
    ("simulator/network", 7),
    ("simulator/adversary/exposure", 8),
    ("simulator/driver", 8),
    ("simulator/rounds/worker", 8),
    ("simulator/events", 9),
    ("simulator/report", 9),
    ("simulator/rounds", 9),
    ("swarm", DECLARES),
    ("swarm/registry", 1),
    ("swarm/address", 2),
    ("swarm/counters", 2),
    ("swarm/fellows", 2),
    ("swarm/generated", 2),
    ("swarm/limits", 2),
    ("swarm/logged", 2),
    ("swarm/pruning", 2),
    ("swarm/rate", 2),
    ("swarm/advertised", 3),
    ("swarm/gate", 3),
    ("swarm/metered", 3),
    ("swarm/policy", 3),
    ("swarm/record", 4),
    ("swarm/contacts", 5),
    ("swarm/shared", 5),
    ("swarm/handle", 6),
    ("swarm/wire", 6),
    ("swarm/config", 7),
    ("swarm/handler", 7),
    ("swarm/behaviour/confirmations", 8),
    ("swarm/behaviour/connections", 8),
    ("swarm/behaviour/event", 8),
    ("swarm/behaviour/exchanges", 8),
    ("swarm/behaviour/probes", 8),
    ("swarm/behaviour/actions", 9),
    ("swarm/behaviour/candidates", 9),
    ("swarm/behaviour/dials", 9),
    ("swarm/behaviour/identity", 9),
    ("swarm/behaviour/isolation", 9),
    ("swarm/behaviour/local", 9),
    ("swarm/behaviour/neighbours", 9),
    ("swarm/behaviour/relays", 8),
    ("swarm/behaviour/seeds", 9),
    ("swarm/behaviour/warnings", 9),
    ("swarm/behaviour/links", 10),
    ("swarm/behaviour/driver", 11),
    ("swarm/behaviour/driver/dialling", 12),
    ("swarm/behaviour/driver/finding", 12),
    ("swarm/behaviour/driver/outcomes", 12),
    ("swarm/behaviour/driver/testing", 12),
    ("swarm/behaviour/driver/tests/recovery", 13),
    ("swarm/behaviour/world", 12),
    ("swarm/behaviour/world/recovery", 13),
    ("swarm/behaviour", 12),
    ("fuzzing", 13),
];

/// The floor of files that only declare modules: there is nothing in them to import.
const DECLARES: u8 = 0;

/// Re-exports everything, and is imported by nobody.
const ROOT: &str = "lib";

/// Not written by hand, so not held to any rule.
const GENERATED: &str = "swarm/generated";

/// The sans-IO part: by these beginnings of their names.
const SANS_IO: &[&str] = &[
    "prefixes",
    "view",
    "overlay",
    "sampling",
    "gossip",
    "simulator",
];

/// The code of each file, by its path below `src/`, without `.rs`.
type Sources = BTreeMap<String, String>;

#[test]
fn imports_go_down() {
    let sources = read_sources().expect("the sources can be read");
    let complaints = complaints(&sources, FLOORS);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn sans_io_part_is_pure() {
    let sources = read_sources().expect("the sources can be read");
    let complaints: Vec<String> = sources
        .iter()
        .filter(|(file, _)| SANS_IO.iter().any(|start| file.starts_with(start)))
        .flat_map(|(file, code)| impurities(file, code))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn read_sources() -> io::Result<Sources> {
    fn read(folder: &Path, prefix: &str, sources: &mut Sources) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                read(&path, &format!("{prefix}{stem}/"), sources)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.insert(format!("{prefix}{stem}"), fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }
    let mut sources = Sources::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&root, "", &mut sources)?;
    Ok(sources)
}

/// What breaks a rule. As every import that does not go strictly down is among it, so is at least
/// one import of every cycle.
fn complaints(sources: &Sources, floors: &[(&str, u8)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut floor_of = BTreeMap::new();
    for (file, floor) in floors {
        if floor_of.insert(*file, *floor).is_some() {
            complaints.push(format!("{file} stands on two floors: leave it on one"));
        }
        if !sources.contains_key(*file) {
            complaints.push(format!("{file} is no more: take it out of the floors"));
        }
    }
    for (file, code) in sources {
        if file == ROOT {
            continue;
        }
        let Some(&floor) = floor_of.get(file.as_str()) else {
            complaints.push(format!("{file} has no floor: put it on one"));
            continue;
        };
        if file == GENERATED {
            continue;
        }
        let found = Imports::find(file, code);
        complaints.extend(found.refused.iter().map(|what| format!("{file}: {what}")));
        if found.defines == (floor == DECLARES) {
            complaints.push(format!(
                "{file}: a file only declares modules, on floor {DECLARES}, or defines something, \
                 on another"
            ));
        }
        for path in &found.paths {
            let Some(target) = file_of(path, sources) else {
                complaints.push(format!(
                    "{file}: {} is a re-export: name the file that defines it",
                    written(path)
                ));
                continue;
            };
            match floor_of.get(target.as_str()) {
                _ if target == *file => {}
                Some(&DECLARES) => complaints.push(format!(
                    "{file}: {} names {target}, which defines nothing",
                    written(path)
                )),
                Some(&below) if below >= floor => complaints.push(format!(
                    "{file}, on floor {floor}, imports {} from {target}, on floor {below}",
                    written(path)
                )),
                // Without a floor, it is complained about already.
                Some(_) | None => {}
            }
        }
    }
    complaints
}

/// The longest beginning of the path that is a file.
fn file_of(path: &[String], sources: &Sources) -> Option<String> {
    (1..=path.len())
        .rev()
        .map(|len| path[..len].join("/"))
        .find(|file| sources.contains_key(file))
}

fn written(path: &[String]) -> String {
    format!("crate::{}", path.join("::"))
}

/// What a file imports from this crate.
#[derive(Default)]
struct Imports {
    /// The paths, without their `crate`.
    paths: BTreeSet<Vec<String>>,
    /// Local names for paths: `use crate::a::b as c` makes `c::d` name `crate::a::b::d`.
    names: BTreeMap<String, Vec<String>>,
    /// Paths of `use` declarations that begin with something else than `crate`.
    others: BTreeSet<Vec<String>>,
    /// The file's own child modules, which can be named without `crate::`.
    children: BTreeSet<String>,
    /// Whether there is anything but `mod` and `use`.
    defines: bool,
    refused: BTreeSet<String>,
}

impl Imports {
    fn find(file: &str, code: &str) -> Self {
        let parsed = parse(file, code);
        let mut found = Self::default();
        for item in &parsed.items {
            match item {
                Item::Mod(module) if is_test(&module.attrs) => {}
                Item::Mod(module) if module.content.is_none() => {
                    found.children.insert(module.ident.to_string());
                }
                Item::Use(_) => {}
                _ => found.defines = true,
            }
        }
        // Names first: a path may stand above the `use` that explains it.
        Uses(&mut found).visit_file(&parsed);
        for path in std::mem::take(&mut found.others) {
            found.note(&path);
        }
        found.visit_file(&parsed);
        found
    }

    /// A path as it stands in the code, outside `use`.
    fn note(&mut self, path: &[String]) {
        let [first, rest @ ..] = path else { return };
        match first.as_str() {
            "crate" => {
                self.paths.insert(rest.to_vec());
            }
            // By itself, it is the method's receiver.
            "self" if rest.is_empty() => {}
            "self" | "super" => self.refuse(path),
            _ if rest.is_empty() => {}
            name => {
                if let Some(start) = self.names.get(name) {
                    self.paths.insert([start, rest].concat());
                } else if self.children.contains(name) {
                    self.refuse(path);
                }
            }
        }
    }

    fn refuse(&mut self, path: &[String]) {
        self.refused.insert(format!(
            "{}: write crate::..., so that every import is seen",
            path.join("::")
        ));
    }

    /// All paths in the tokens of a macro's call, which are no syntax tree.
    fn note_tokens(&mut self, mut cursor: Cursor) {
        // As in `pub(crate)`: imports nothing.
        if let Some((_, next)) = cursor.ident().filter(|(ident, _)| ident == "crate")
            && next.eof()
        {
            return;
        }
        let mut path: Vec<String> = Vec::new();
        // Colons since the last name: two of them, and the next name continues the path.
        let mut colons = 0;
        while !cursor.eof() {
            if let Some((ident, next)) = cursor.ident() {
                if colons != 2 {
                    self.note(&path);
                    path.clear();
                }
                path.push(ident.to_string());
                (colons, cursor) = (0, next);
            } else if let Some((punct, next)) = cursor.punct() {
                colons = if punct.as_char() == ':' {
                    colons + 1
                } else {
                    3
                };
                cursor = next;
            } else if let Some((inside, _, _, next)) = cursor.any_group() {
                self.note_tokens(inside);
                (colons, cursor) = (3, next);
            } else if let Some((_, next)) = cursor.token_tree() {
                (colons, cursor) = (3, next);
            }
        }
        self.note(&path);
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    /// [`Uses`] has seen to it.
    fn visit_item_use(&mut self, _: &'ast ItemUse) {}

    /// `pub(super)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter();
            let names: Vec<String> = segments.map(|s| s.ident.to_string()).collect();
            self.note(&names);
        }
        // The paths among its generic arguments.
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.note_tokens(TokenBuffer::new2(call.tokens.clone()).begin());
        visit::visit_macro(self, call);
    }
}

/// Reads the `use` declarations.
struct Uses<'a>(&'a mut Imports);

impl Uses<'_> {
    fn walk(&mut self, before: &[String], tree: &UseTree) {
        let path = |last: &Ident| [before, &[last.to_string()]].concat();
        match tree {
            UseTree::Path(tree) => self.walk(&path(&tree.ident), &tree.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.walk(before, tree)),
            UseTree::Glob(_) => self.leaf(before, None),
            // `{self}`, at the end of a path, is the path itself.
            UseTree::Name(name) if name.ident == "self" && !before.is_empty() => {
                self.leaf(before, before.last().cloned());
            }
            UseTree::Name(name) => self.leaf(&path(&name.ident), Some(name.ident.to_string())),
            UseTree::Rename(tree) if tree.ident == "self" && !before.is_empty() => {
                self.leaf(before, Some(tree.rename.to_string()));
            }
            UseTree::Rename(tree) => {
                self.leaf(&path(&tree.ident), Some(tree.rename.to_string()));
            }
        }
    }

    fn leaf(&mut self, path: &[String], name: Option<String>) {
        let [first, rest @ ..] = path else { return };
        match first.as_str() {
            "crate" => {
                self.0.paths.insert(rest.to_vec());
                if let Some(name) = name {
                    self.0.names.insert(name, rest.to_vec());
                }
            }
            // Alone, it could only be renamed.
            child if rest.is_empty() && self.0.children.contains(child) => self.0.refuse(path),
            _ => {
                self.0.others.insert(path.to_vec());
            }
        }
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !matches!(item.vis, Visibility::Inherited) {
            let what = "re-exports something, as only lib.rs does".to_owned();
            self.0.refused.insert(what);
        }
        if item.leading_colon.is_none() {
            self.walk(&[], &item.tree);
        }
    }
}

/// What a file of the sans-IO part names and must not: libp2p, a runtime, a clock, and collections
/// whose order differs from run to run. Its tests are held to it as well.
fn impurities(file: &str, code: &str) -> BTreeSet<String> {
    let mut names = Names::default();
    names.visit_file(&parse(file, code));
    let forbidden = |name: &String| {
        name.starts_with("libp2p")
            || ["tokio", "Instant", "SystemTime", "HashMap", "HashSet"].contains(&name.as_str())
    };
    let found = names.0.into_iter().filter(forbidden);
    found
        .map(|name| format!("{file} names {name}, and belongs to the sans-IO part"))
        .collect()
}

/// All names in the code; comments are none.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn note_tokens(&mut self, mut cursor: Cursor) {
        while !cursor.eof() {
            if let Some((inside, _, _, next)) = cursor.any_group() {
                self.note_tokens(inside);
                cursor = next;
            } else if let Some((ident, next)) = cursor.ident() {
                self.0.insert(ident.to_string());
                cursor = next;
            } else if let Some((_, next)) = cursor.token_tree() {
                cursor = next;
            }
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.0.insert(ident.to_string());
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.note_tokens(TokenBuffer::new2(call.tokens.clone()).begin());
        visit::visit_macro(self, call);
    }
}

fn parse(file: &str, code: &str) -> syn::File {
    syn::parse_file(code).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Ident>()
                .is_ok_and(|condition| condition == "test")
    })
}

/// The checks, checked: on a small made-up crate.
mod checker {
    use super::{DECLARES, Sources, complaints, impurities};

    fn sources(files: &[(&str, &str)]) -> Sources {
        let owned = |(file, code): &(&str, &str)| ((*file).to_owned(), (*code).to_owned());
        files.iter().map(owned).collect()
    }

    /// What is wrong with a crate that is all right but for what `code` adds to its file `b`.
    fn complaints_about(code: &str) -> Vec<String> {
        let b = format!("mod child; use crate::a::A; pub struct B(A); {code}");
        let files = [
            ("lib", "mod a; mod b; mod c; mod d; pub use a::A;"),
            ("a", "pub struct A;"),
            ("b", &b),
            ("b/child", "pub struct Child;"),
            ("c", "use crate::{a::A, b::{self, B}}; pub struct C(A, B);"),
            ("d", "mod e;"),
            ("d/e", "pub struct E;"),
        ];
        let floors = [
            ("a", 1),
            ("b", 2),
            ("b/child", 1),
            ("c", 3),
            ("d", DECLARES),
            ("d/e", 3),
        ];
        complaints(&sources(&files), &floors)
    }

    #[test]
    fn what_is_allowed() {
        for code in [
            "",
            "use crate::b::child::Child;",
            "fn f(self_: crate::b::child::Child) -> Self { self.child::<u8>() }",
            "pub(super) fn f() { std::mem::drop(::d::e::E) }",
            "/// [`C`](crate::c::C)\npub struct D;",
            "m! { pub(crate) struct D; }",
            "#[cfg(test)] mod tests { use super::*; use crate::c::C; }",
        ] {
            assert_eq!(complaints_about(code), [""; 0], "{code}");
        }
    }

    #[test]
    fn upward_imports_are_found() {
        for code in [
            "use crate::d::e::E;",
            "use crate::{a, d::{e::E as F}};",
            "use crate::d::e::{self as f, E};",
            "fn f() { use crate::d::e::*; }",
            "fn f() -> crate::d::e::E { todo!() }",
            "fn f(e: Vec<crate::d::e::E>) {}",
            "fn f() { crate::d::e::E::new(1) }",
            "fn f(e: u8) -> bool { matches!(e, [0, crate::d::e::E]) }",
            "mod inside { use crate::d::e::E; }",
        ] {
            let found = complaints_about(code);
            assert!(!found.is_empty(), "{code}");
            for complaint in found {
                assert!(
                    complaint.starts_with("b, on floor 2, imports crate::d::e")
                        && complaint.ends_with("from d/e, on floor 3"),
                    "{code}: {complaint}"
                );
            }
        }
    }

    #[test]
    fn cycles_are_found() {
        assert_eq!(
            complaints_about("use crate::c::C;"),
            ["b, on floor 2, imports crate::c::C from c, on floor 3"]
        );
        // No floors make a cycle pass.
        let cycle = sources(&[
            ("x", "use crate::y::Y; pub struct X;"),
            ("y", "use crate::z::Z; pub struct Y;"),
            ("z", "use crate::x::X; pub struct Z;"),
        ]);
        for n in 0..27 {
            let floors = [("x", 1 + n % 3), ("y", 1 + n / 3 % 3), ("z", 1 + n / 9)];
            assert_ne!(complaints(&cycle, &floors), [""; 0], "{floors:?}");
        }
    }

    #[test]
    fn hidden_imports_are_refused() {
        for (code, what) in [
            ("use super::c::C;", "b: super::c::C: write crate::"),
            ("use self::child::Child;", "b: self::child::Child: write"),
            ("use child::Child;", "b: child::Child: write"),
            ("fn f() { child::f() }", "b: child::f: write"),
            ("fn f() { super::f() }", "b: super::f: write"),
            ("fn f() { assert!(super::f()) }", "b: super::f: write"),
            ("use crate::A;", "b: crate::A is a re-export"),
            ("use crate::*;", "b: crate:: is a re-export"),
            (
                "use crate::d;",
                "b: crate::d names d, which defines nothing",
            ),
            (
                "pub(crate) use crate::a::A as F;",
                "b: re-exports something",
            ),
        ] {
            let found = complaints_about(code);
            assert!(
                matches!(&found[..], [only] if only.starts_with(what)),
                "{code}: {found:?}"
            );
        }
        // Through a local name for a folder.
        for code in [
            "use crate::d; use d::e::E;",
            "use crate::d; fn f() { d::e::f() }",
        ] {
            let found = complaints_about(code);
            let up = found.iter().any(|c| c.ends_with("from d/e, on floor 3"));
            assert!(up, "{code}: {found:?}");
        }
    }

    #[test]
    fn every_file_has_one_floor() {
        let files = sources(&[
            ("a", "struct A;"),
            ("b", "mod c;"),
            ("d", "struct D; mod e;"),
        ]);
        assert_eq!(
            complaints(
                &files,
                &[("a", 1), ("a", 2), ("b", 1), ("d", DECLARES), ("f", 1)]
            ),
            [
                "a stands on two floors: leave it on one",
                "f is no more: take it out of the floors",
                "b: a file only declares modules, on floor 0, or defines something, on another",
                "d: a file only declares modules, on floor 0, or defines something, on another",
            ]
        );
        assert_eq!(
            complaints(&files, &[("a", 1), ("d", 1)]),
            ["b has no floor: put it on one"]
        );
    }

    #[test]
    fn impurities_are_found() {
        for (code, count) in [
            (
                "/// Not libp2p, tokio or an Instant.\nfn f(now: Time) {}",
                0,
            ),
            ("use std::collections::{BTreeMap, HashMap, HashSet};", 2),
            ("use libp2p_identity::PeerId;", 1),
            ("fn f() { libp2p::f(); debug!(now = ?Instant::now()); }", 2),
            ("fn f(now: std::time::SystemTime) {}", 1),
            (
                "#[cfg(test)] mod tests { #[tokio::test] async fn f() {} }",
                1,
            ),
        ] {
            assert_eq!(impurities("view", code).len(), count, "{code}");
        }
    }
}
