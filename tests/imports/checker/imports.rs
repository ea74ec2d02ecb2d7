//! Layers and cycles of imports.

use super::sources;
use crate::{
    layers::{self, Layer, Reach},
    sources::Sources,
};

const LAYERS: &[Layer] = &[
    Layer::new("low", &["a", "b/child"]),
    Layer::new("middle", &["b"]),
    Layer::new("high", &["c", "d"]),
];

fn complaints(sources: &Sources, layers: &[Layer]) -> Vec<String> {
    [
        layers::hidden(sources),
        layers::upward(sources, layers),
        layers::cycles(sources),
    ]
    .concat()
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
    complaints(&sources(&files), LAYERS)
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
                complaint.starts_with("b, in layer middle, imports crate::d::e")
                    && complaint.ends_with("from d/e, in layer high, above it"),
                "{code}: {complaint}"
            );
        }
    }
}

#[test]
fn cycles_are_found() {
    assert_eq!(
        complaints_about("use crate::c::C;"),
        [
            "b, in layer middle, imports crate::c::C from c, in layer high, above it",
            "a cycle: b -> c (crate::c::C) -> b (crate::b, crate::b::B)",
        ]
    );
}

#[test]
fn cycles_within_a_layer_are_found() {
    let one = [Layer::new("only", &["w", "x", "y", "z"])];
    let cycle = sources(&[
        ("w", "use crate::x::X; pub struct W;"),
        ("x", "use crate::y::Y; pub struct X;"),
        ("y", "use crate::z::Z; pub struct Y;"),
        ("z", "use crate::x::X; pub struct Z;"),
    ]);
    assert_eq!(
        complaints(&cycle, &one),
        ["a cycle: x -> y (crate::y::Y) -> z (crate::z::Z) -> x (crate::x::X)"]
    );
    let two = sources(&[
        ("w", "use crate::{x::X, z::Z}; pub struct W;"),
        ("x", "use crate::y::Y; pub struct X;"),
        ("y", "use crate::x::X; pub struct Y;"),
        ("z", "use crate::y::Y; fn f() { crate::w::W::new() }"),
    ]);
    assert_eq!(
        complaints(&two, &one),
        [
            "a cycle: w -> z (crate::z::Z) -> w (crate::w::W::new)",
            "a cycle: x -> y (crate::y::Y) -> x (crate::x::X)",
        ]
    );
}

#[test]
fn shortest_cycle_through_each_edge_is_found() {
    let knot = sources(&[
        ("x", "use crate::y::Y; pub struct X;"),
        ("y", "use crate::{x::X, z::Z}; pub struct Y;"),
        ("z", "use crate::x::X; pub struct Z;"),
    ]);
    assert_eq!(
        layers::cycles(&knot),
        [
            "a cycle: x -> y (crate::y::Y) -> x (crate::x::X)",
            "a cycle: x -> y (crate::y::Y) -> z (crate::z::Z) -> x (crate::x::X)",
        ]
    );
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
        let up = found.iter().any(|c| c.contains("from d/e, in layer high"));
        assert!(up, "{code}: {found:?}");
    }
}

#[test]
fn every_file_has_a_layer() {
    let files = sources(&[("a", "struct A;"), ("ab", "struct B;"), ("a/c", "mod c;")]);
    let layers = [Layer::new("only", &["a", "d"])];
    assert_eq!(
        complaints(&files, &layers),
        [
            "ab is in no layer: put it into one",
            "there is no d: take it out of the layers",
        ]
    );
}

#[test]
fn reach_of_a_layer_is_held() {
    let layers = [
        Layer::new("low", &["a"]),
        Layer::new("middle", &["b"]),
        Layer::new("picky", &["c"]).reaching(Reach::Only(&["low"])),
        Layer::new("high", &["d"]).reaching(Reach::AllBut(&["picky"])),
    ];
    let files = |c: &str, d: &str| {
        let c = format!("{c} pub struct C;");
        let d = format!("{d} pub struct D;");
        let files = [
            ("a", "pub struct A;"),
            ("b", "pub struct B;"),
            ("c", &c),
            ("d", &d),
        ];
        complaints(&sources(&files), &layers)
    };
    assert_eq!(
        files("use crate::a::A;", "use crate::{a::A, b::B};"),
        [""; 0]
    );
    assert_eq!(
        files("use crate::b::B;", "use crate::c::C;"),
        [
            "c, in layer picky, imports crate::b::B from b, in layer middle, out of its reach",
            "d, in layer high, imports crate::c::C from c, in layer picky, out of its reach",
        ]
    );
}

#[test]
fn islands_import_nothing_from_each_other() {
    let layers = [Layer::new("islands", &["p"]).of_islands()];
    let files = |code: &str| {
        let x = format!("{code} pub struct X;");
        let files = [
            ("p", "mod x; mod xy;"),
            ("p/x", x.as_str()),
            ("p/x/inner", "pub struct Inner;"),
            ("p/xy", "pub struct Y;"),
        ];
        complaints(&sources(&files), &layers)
    };
    assert_eq!(files("use crate::p::x::inner::Inner;"), [""; 0]);
    assert_eq!(
        files("use crate::p::xy::Y;"),
        ["p/x, in layer islands, imports crate::p::xy::Y from p/xy, in layer islands, beside it"]
    );
}

/// As in tests at the foot of a file, anything goes; what tests share is held to the rules.
#[test]
fn only_tests_in_files_of_their_own_are_free() {
    let files = |module: &str, file: &str| {
        let x = format!("pub struct X; {module}");
        let files = [
            ("x", x.as_str()),
            (file, "use super::*; use crate::y::Y; struct Z;"),
            ("y", "use crate::x::X; pub struct Y;"),
        ];
        complaints(&sources(&files), &[Layer::new("only", &["x", "y"])])
    };
    assert_eq!(files("#[cfg(test)] mod tests;", "x/tests"), [""; 0]);
    assert_eq!(
        files("#[cfg(test)] mod tests { mod topic; }", "x/tests/topic"),
        [""; 0]
    );
    let refused = "super: write crate::..., so that every import is seen";
    assert_eq!(
        files("mod tests;", "x/tests"),
        [format!("x/tests: {refused}")]
    );
    assert_eq!(
        files("#[cfg(test)] mod world;", "x/world"),
        [format!("x/world: {refused}")]
    );
}
