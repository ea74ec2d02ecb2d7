//! First sentences, lengths of files, widths of comments.

use super::code;
use crate::form::{too_long, without_a_sentence};

#[test]
fn files_without_a_sentence_are_found() {
    for (text, is_good) in [
        ("//! Lists of peers.\n", true),
        (
            "//! Lists of peers, which\n//! are short.\n//!\n//! # More\n",
            true,
        ),
        ("//! What there is:\n//!\n//! - a list\n", true),
        ("//! TEMP\n", false),
        ("//! Lists.\n", false),
        ("//! Lists of peers\n", false),
        ("//!\n//! Lists of peers.\n", false),
        ("// Lists of peers.\n", false),
        ("use std::fmt;\n//! Lists of peers.\n", false),
    ] {
        let found = without_a_sentence(&code(&[("a", "//! A list of things.\n"), ("b", text)]));
        let expected: &[&str] = match is_good {
            true => &[],
            false => &["b does not begin with a //! sentence"],
        };
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn long_files_are_found() {
    let (short, long) = ("\n".repeat(500), "\n".repeat(501));
    assert_eq!(
        too_long(&code(&[
            ("a", &short),
            ("b", &long),
            ("swarm/generated", &long)
        ])),
        ["b has 501 lines, at most 500 are allowed"]
    );
}
