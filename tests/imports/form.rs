//! The form of files: a first sentence, few lines. How wide they are is in `tests/texts.rs`.

use crate::{GENERATED, sources::Code};

/// How many lines a file may have, its tests included.
const LINES: usize = 500;

/// The files that do not begin with a sentence about what lives there.
pub fn without_a_sentence(code: &Code) -> Vec<String> {
    let begins = |code: &str| {
        let docs = code.lines().map_while(|line| line.strip_prefix("//!"));
        let first: Vec<&str> = docs
            .map(str::trim)
            .take_while(|line| !line.is_empty())
            .collect();
        let first = first.join(" ");
        first.contains(' ') && first.ends_with(['.', ':'])
    };
    let files = by_hand(code).filter(|(_, code)| !begins(code));
    files
        .map(|(file, _)| format!("{file} does not begin with a //! sentence"))
        .collect()
}

pub fn too_long(code: &Code) -> Vec<String> {
    let files = by_hand(code).map(|(file, code)| (file, code.lines().count()));
    files
        .filter(|(_, lines)| *lines > LINES)
        .map(|(file, lines)| format!("{file} has {lines} lines, at most {LINES} are allowed"))
        .collect()
}

fn by_hand(code: &Code) -> impl Iterator<Item = (&String, &String)> {
    code.iter().filter(|(file, _)| *file != GENERATED)
}
