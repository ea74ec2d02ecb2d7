//! Types whose `impl` blocks in several files call each other: one noun in several rooms.
//!
//! A call counts where the code shows which type it goes to: on `self` or a name that it was given,
//! on `Self::` or `Type::`, and on a parameter that is declared to be of the type.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Expr, FnArg, ImplItem, ItemFn, ItemImpl, ItemMod, Local, Macro, Pat, Signature, Type, UnOp,
    visit::{self, Visit},
};

use crate::{
    graph::Graph,
    paths::Imports,
    sources::{Sources, is_test},
    tokens::{Token, tokens},
};

/// A type's path, its name included.
type Key = Vec<String>;

/// Every circle of files in which the methods of one type call those of the next file.
pub fn complaints(sources: &Sources) -> Vec<String> {
    let mut methods = Methods::default();
    for (file, parsed) in &sources.parsed {
        if !sources.for_tests.contains(file) {
            let mut reader = Reader::new(file, parsed, &mut methods);
            reader.visit_file(parsed);
        }
    }
    methods.circles()
}

/// The methods of all types.
#[derive(Default)]
struct Methods {
    /// In which files a type has a method of this name.
    defined: BTreeMap<Key, BTreeMap<String, BTreeSet<String>>>,
    /// Which names are called on a type in a file.
    called: BTreeMap<Key, BTreeSet<(String, String)>>,
}

impl Methods {
    fn circles(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (key, defined) in &self.defined {
            let mut graph = Graph::default();
            let files: BTreeSet<&String> = defined.values().flatten().collect();
            for (file, name) in self.called.get(key).into_iter().flatten() {
                // Others call methods as well: what counts are calls from one `impl` to another.
                let Some(homes) = defined.get(name).filter(|_| files.contains(file)) else {
                    continue;
                };
                if !homes.contains(file) {
                    homes.iter().for_each(|home| graph.add(file, home, name));
                }
            }
            let cycles = graph.cycles().into_iter();
            complaints.extend(
                cycles.map(|cycle| {
                    format!("methods of {} call in a circle: {cycle}", key.join("::"))
                }),
            );
        }
        complaints
    }
}

/// Reads one file.
struct Reader<'a> {
    file: &'a str,
    names: BTreeMap<String, Key>,
    methods: &'a mut Methods,
    /// What `Self` is.
    current: Option<Key>,
    /// Of which type the names in scope are, as far as it shows.
    variables: BTreeMap<String, Key>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, parsed: &syn::File, methods: &'a mut Methods) -> Self {
        let mut names = Imports::find(parsed).names;
        let mut defines = Types::default();
        defines.visit_file(parsed);
        for name in defines.0 {
            let folder = file.split('/').map(str::to_owned);
            names.insert(name.clone(), folder.chain([name]).collect());
        }
        Self {
            file,
            names,
            methods,
            current: None,
            variables: BTreeMap::new(),
        }
    }

    /// The type that a path of these names leads to, if this crate defines it.
    fn key(&self, path: &[String]) -> Option<Key> {
        match path {
            [first] if first == "Self" => self.current.clone(),
            [first, rest @ ..] if first == "crate" => Some(rest.to_vec()),
            [first, rest @ ..] => {
                let start = self.names.get(first)?;
                Some([start, rest].concat())
            }
            [] => None,
        }
    }

    fn key_of_type(&self, kind: &Type) -> Option<Key> {
        match kind {
            Type::Reference(reference) => self.key_of_type(&reference.elem),
            Type::Paren(inside) => self.key_of_type(&inside.elem),
            Type::Group(inside) => self.key_of_type(&inside.elem),
            Type::Path(path) if path.qself.is_none() => self.key(&written(&path.path)),
            _ => None,
        }
    }

    /// The type of what is called, if it is a name.
    fn key_of_value(&self, value: &Expr) -> Option<Key> {
        match value {
            Expr::Paren(inside) => self.key_of_value(&inside.expr),
            Expr::Reference(inside) => self.key_of_value(&inside.expr),
            Expr::Unary(inside) if matches!(inside.op, UnOp::Deref(_)) => {
                self.key_of_value(&inside.expr)
            }
            Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                self.key_of_name(&name)
            }
            _ => None,
        }
    }

    fn key_of_name(&self, name: &str) -> Option<Key> {
        match name {
            "self" => self.current.clone(),
            _ => self.variables.get(name).cloned(),
        }
    }

    fn call(&mut self, key: Option<Key>, method: &str) {
        if let Some(key) = key {
            let called = self.methods.called.entry(key).or_default();
            called.insert((self.file.to_owned(), method.to_owned()));
        }
    }

    fn note_parameters(&mut self, signature: &Signature) {
        for parameter in &signature.inputs {
            if let FnArg::Typed(typed) = parameter
                && let Pat::Ident(name) = &*typed.pat
                && let Some(key) = self.key_of_type(&typed.ty)
            {
                self.variables.insert(name.ident.to_string(), key);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if is_test(&item.attrs) {
            return;
        }
        let key = self.key_of_type(&item.self_ty);
        for item in &item.items {
            if let (Some(key), ImplItem::Fn(method)) = (&key, item)
                && !is_test(&method.attrs)
            {
                let defined = self.methods.defined.entry(key.clone()).or_default();
                let homes = defined.entry(method.sig.ident.to_string()).or_default();
                homes.insert(self.file.to_owned());
            }
        }
        let outside = std::mem::replace(&mut self.current, key);
        visit::visit_item_impl(self, item);
        self.current = outside;
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if is_test(&method.attrs) {
            return;
        }
        let outside = std::mem::take(&mut self.variables);
        self.note_parameters(&method.sig);
        visit::visit_impl_item_fn(self, method);
        self.variables = outside;
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if is_test(&function.attrs) {
            return;
        }
        let outside = std::mem::take(&mut self.variables);
        self.note_parameters(&function.sig);
        visit::visit_item_fn(self, function);
        self.variables = outside;
    }

    /// `let this = self;`
    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        if let (Pat::Ident(name), Some(init)) = (&local.pat, &local.init) {
            match self.key_of_value(&init.expr) {
                Some(key) => self.variables.insert(name.ident.to_string(), key),
                None => self.variables.remove(&name.ident.to_string()),
            };
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let key = self.key_of_value(&call.receiver);
        self.call(key, &call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let names = written(&path.path);
        if let Some((method, before)) = names.split_last() {
            let key = match &path.qself {
                Some(qself) => self.key_of_type(&qself.ty),
                None => self.key(before),
            };
            self.call(key, method);
        }
        visit::visit_expr_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let tokens = tokens(call);
        for at in 0..tokens.len() {
            match &tokens[at..] {
                [
                    Token::Name(name),
                    Token::Sign('.'),
                    Token::Name(method),
                    next,
                    ..,
                ] if matches!(next, Token::Open | Token::Sign(':'))
                    && (at == 0 || tokens[at - 1] != Token::Sign('.')) =>
                {
                    let key = self.key_of_name(name);
                    self.call(key, method);
                }
                [
                    Token::Name(name),
                    Token::Sign(':'),
                    Token::Sign(':'),
                    Token::Name(method),
                    ..,
                ] => {
                    let key = self.key(std::slice::from_ref(name));
                    self.call(key, method);
                }
                _ => {}
            }
        }
        visit::visit_macro(self, call);
    }
}

fn written(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|s| s.ident.to_string()).collect()
}

/// The types that a file defines.
#[derive(Default)]
struct Types(Vec<String>);

impl<'ast> Visit<'ast> for Types {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.0.push(item.ident.to_string());
    }
}
