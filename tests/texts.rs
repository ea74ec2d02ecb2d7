//! What is written for people is plain: no line too long, no word that has to be decoded, and a
//! README of one page.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// How wide a line of text may be, in characters.
const WIDTH: usize = 100;
/// How long the README may be, in lines.
const PAGE: usize = 150;
/// How long a sentence of the README may be, in words.
const SENTENCE: usize = 40;
/// They turn a sentence round, so that a reader has to decode it.
const DECODED: [&str; 3] = ["whom", "whoever", "whither"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// All files below these folders, and these files, that end so.
fn files(places: &[&str], ends: &[&str]) -> Vec<PathBuf> {
    let mut waiting: Vec<PathBuf> = places.iter().map(|place| root().join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            found.push(path);
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing at {places:?}");
    found
}

fn texts() -> Vec<PathBuf> {
    let mut texts = files(
        &[
            "docs",
            "README.md",
            "ARCHITECTURE.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "proto",
        ],
        &[".md", ".proto"],
    );
    texts.extend(files(&["src"], &[".md"]));
    texts
}

fn code() -> Vec<PathBuf> {
    files(&["src", "examples", "tests", "benches"], &[".rs"])
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("text")
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn lines_of_texts_and_comments_are_narrow() {
    let mut faults = Vec::new();
    for path in texts().into_iter().chain(code()) {
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        for (number, line) in read(&path).lines().enumerate() {
            let is_text = !is_code || line.trim_start().starts_with("//");
            if is_text && line.chars().count() > WIDTH {
                faults.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn no_word_has_to_be_decoded() {
    let itself = root().join(file!());
    let mut faults = Vec::new();
    for path in texts().into_iter().chain(code()) {
        if path == itself {
            continue;
        }
        for (number, line) in read(&path).lines().enumerate() {
            let line = line.to_lowercase();
            let mut words = line.split(|letter: char| !letter.is_alphabetic());
            if words.any(|word| DECODED.contains(&word)) {
                faults.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert_none(faults);
}

/// The README without programs, tables, headings and pictures, as one line per paragraph or item.
fn paragraphs() -> Vec<String> {
    let readme = read(&root().join("README.md"));
    let mut paragraphs = vec![String::new()];
    let mut is_program = false;
    for line in readme.lines() {
        let fence = line.starts_with("```");
        is_program ^= fence;
        let is_prose =
            !(is_program || fence || line.is_empty() || line.starts_with(['|', '#', '!']));
        if !is_prose || line.starts_with("- ") {
            paragraphs.push(String::new());
        }
        if is_prose && let Some(paragraph) = paragraphs.last_mut() {
            paragraph.push_str(line.trim_start_matches("- "));
            paragraph.push(' ');
        }
    }
    paragraphs
}

#[test]
fn readme_is_a_page_of_short_sentences() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines <= PAGE, "{lines} lines");
    let mut faults = Vec::new();
    for paragraph in paragraphs() {
        for sentence in paragraph.split(". ") {
            let words = sentence.split_whitespace().count();
            if words > SENTENCE {
                faults.push(format!("{words} words: {sentence}"));
            }
        }
    }
    assert_none(faults);
}
