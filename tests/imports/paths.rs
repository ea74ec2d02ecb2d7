//! What a file imports from its crate.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Ident, Item, ItemMod, ItemUse, Macro, UseTree, VisRestricted, Visibility,
    buffer::{Cursor, TokenBuffer},
    visit::{self, Visit},
};

use crate::sources::is_test;

/// What a file imports from this crate.
#[derive(Default)]
pub struct Imports {
    /// The paths, without their `crate`.
    pub paths: BTreeSet<Vec<String>>,
    /// Local names for paths: `use crate::a::b as c` makes `c::d` name `crate::a::b::d`.
    pub names: BTreeMap<String, Vec<String>>,
    /// Paths of `use` declarations that begin with something else than `crate`.
    others: BTreeSet<Vec<String>>,
    /// The file's own child modules, which can be named without `crate::`.
    children: BTreeSet<String>,
    /// Whether there is anything but `mod` and `use`.
    pub defines: bool,
    pub refused: BTreeSet<String>,
}

impl Imports {
    pub fn find(parsed: &syn::File) -> Self {
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
        Uses(&mut found).visit_file(parsed);
        for path in std::mem::take(&mut found.others) {
            found.note(&path);
        }
        found.visit_file(parsed);
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
