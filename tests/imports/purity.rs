//! What the sans-IO part must not name.

use std::collections::BTreeSet;

use syn::{
    Ident, Macro,
    visit::{self, Visit},
};

use crate::{
    sources::Sources,
    tokens::{Token, tokens},
};

/// What a file of the sans-IO part names and must not: libp2p, a runtime, a clock, randomness of
/// the operating system, and collections whose order differs from run to run. Its tests are held
/// to it as well.
const FORBIDDEN: &[&str] = &[
    "tokio",
    "futures_timer",
    "web_time",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "OsRng",
    "SysRng",
    "ThreadRng",
    "thread_rng",
];

pub fn complaints(sources: &Sources, sans_io: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (file, parsed) in &sources.parsed {
        if sans_io.iter().any(|start| is_below(file, start)) {
            complaints.extend(impurities(file, parsed));
        }
    }
    complaints
}

/// Whether the file is `start`, or lies in its folder.
pub fn is_below(file: &str, start: &str) -> bool {
    file.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn impurities(file: &str, parsed: &syn::File) -> Vec<String> {
    let mut names = Names::default();
    names.visit_file(parsed);
    let forbidden =
        |name: &String| name.starts_with("libp2p") || FORBIDDEN.contains(&name.as_str());
    let found = names.0.into_iter().filter(forbidden);
    found
        .map(|name| format!("{file} names {name}, and belongs to the sans-IO part"))
        .collect()
}

/// All names in the code; comments are none.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.0.insert(ident.to_string());
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        for token in tokens(call) {
            if let Token::Name(name) = token {
                self.0.insert(name);
            }
        }
        visit::visit_macro(self, call);
    }
}
