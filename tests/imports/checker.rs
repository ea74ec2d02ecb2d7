//! The checks, checked: on small made-up crates.

mod circles;
mod form;
mod imports;
mod purity;

use crate::sources::{Code, Sources};

fn code(files: &[(&str, &str)]) -> Code {
    let owned = |(file, code): &(&str, &str)| ((*file).to_owned(), (*code).to_owned());
    files.iter().map(owned).collect()
}

fn sources(files: &[(&str, &str)]) -> Sources {
    Sources::parse(&code(files))
}
