//! The files of a crate, and which of them are tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use syn::{Attribute, Item, Meta, Token, punctuated::Punctuated};

use crate::{GENERATED, ROOT};

/// The code of each file, by its path below `src/`, without `.rs`.
pub type Code = BTreeMap<String, String>;

/// The files of a crate.
pub struct Sources {
    pub files: BTreeSet<String>,
    /// The syntax trees of those that are written by hand.
    pub parsed: Vec<(String, syn::File)>,
    /// Files that are compiled for tests alone.
    pub for_tests: BTreeSet<String>,
}

/// The code of this crate.
pub fn code() -> io::Result<Code> {
    let mut code = Code::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&root, "", &mut code)?;
    Ok(code)
}

impl Sources {
    pub fn parse(code: &Code) -> Self {
        let by_hand = code.iter().filter(|(file, _)| *file != GENERATED);
        let parsed = by_hand.map(|(file, code)| {
            let parsed = syn::parse_file(code).unwrap_or_else(|error| panic!("{file}: {error}"));
            (file.clone(), parsed)
        });
        let parsed: Vec<_> = parsed.collect();
        let mut for_tests = BTreeSet::new();
        for (file, parsed) in &parsed {
            let folder = if file == ROOT { "" } else { file };
            note_modules(folder, &parsed.items, false, &mut for_tests);
        }
        // What a file for tests declares is for tests as well.
        let inside = |file: &&String| {
            let mut above = file.match_indices('/').map(|(at, _)| &file[..at]);
            above.any(|above| for_tests.contains(above))
        };
        let inside: Vec<String> = code.keys().filter(inside).cloned().collect();
        for_tests.extend(inside);
        Self {
            files: code.keys().cloned().collect(),
            parsed,
            for_tests,
        }
    }

    /// Whether the file is a module `tests`, or lies in one: as in tests that stand at the foot of
    /// a file, anything may be imported there.
    pub fn is_tests(&self, file: &str) -> bool {
        self.for_tests.contains(file) && file.split('/').any(|part| part == "tests")
    }

    /// The longest beginning of the path that is a file.
    pub fn file_of(&self, path: &[String]) -> Option<String> {
        (1..=path.len())
            .rev()
            .map(|len| path[..len].join("/"))
            .find(|file| self.files.contains(file))
    }
}

fn read(folder: &Path, prefix: &str, code: &mut Code) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            read(&path, &format!("{prefix}{stem}/"), code)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.insert(format!("{prefix}{stem}"), fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Notes which files the modules that `items` declare for tests are.
fn note_modules(folder: &str, items: &[Item], in_tests: bool, for_tests: &mut BTreeSet<String>) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let in_tests = in_tests || is_test(&module.attrs);
        let start = if folder.is_empty() { "" } else { "/" };
        let file = format!("{folder}{start}{}", module.ident);
        match &module.content {
            Some((_, items)) => note_modules(&file, items, in_tests, for_tests),
            None if in_tests => {
                for_tests.insert(file);
            }
            None => {}
        }
    }
}

/// Whether it is there for tests alone: `cfg(test)`, or `cfg(all(test, ..))`.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Meta>()
                .is_ok_and(|condition| needs_test(&condition))
    })
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}
