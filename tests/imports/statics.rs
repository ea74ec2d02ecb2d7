//! Statics that keep state: what one node does would show in another.

use syn::{
    ItemMod, ItemStatic, Macro, StaticMutability, Type,
    visit::{self, Visit},
};

use crate::sources::{Sources, is_test};

/// What a static may be made of. Everything else could hide a lock or a cell.
const PLAIN: &[&str] = &[
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
    "i128", "isize", "f32", "f64", "Duration", "Option",
];

/// The statics that may keep state, tests aside.
pub fn complaints(sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    for (file, parsed) in &sources.parsed {
        if !sources.for_tests.contains(file) {
            let mut statics = Statics::default();
            statics.visit_file(parsed);
            let found = statics.0.iter();
            complaints.extend(found.map(|name| format!("{file}: static {name} keeps state")));
        }
    }
    complaints
}

#[derive(Default)]
struct Statics(Vec<String>);

impl<'ast> Visit<'ast> for Statics {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        if !matches!(item.mutability, StaticMutability::None) || !is_plain(&item.ty) {
            self.0.push(item.ident.to_string());
        }
        visit::visit_item_static(self, item);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|last| last.ident.to_string());
        let name = name.unwrap_or_default();
        if ["thread_local", "lazy_static"].contains(&name.as_str()) {
            self.0.push(format!("of {name}!"));
        }
        visit::visit_macro(self, call);
    }
}

fn is_plain(kind: &Type) -> bool {
    #[derive(Default)]
    struct Names(Vec<String>);

    impl<'ast> Visit<'ast> for Names {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0.push(segment.ident.to_string());
            visit::visit_path_segment(self, segment);
        }
    }

    let mut names = Names::default();
    names.visit_type(kind);
    names.0.iter().all(|name| PLAIN.contains(&name.as_str()))
}
