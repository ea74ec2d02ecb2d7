//! Circles of methods.

use super::sources;
use crate::circles::complaints;

/// What is wrong with a type whose methods stand in two files: `f` in one, `g` in the other.
fn complaints_about(one: &str, other: &str) -> Vec<String> {
    let one = format!("pub struct T; impl T {{ fn f(&self) {{ {one} }} }}");
    let other = format!("use crate::t::T; impl T {{ fn g(&self) {{ {other} }} }}");
    complaints(&sources(&[
        ("t", one.as_str()),
        ("t/child", other.as_str()),
    ]))
}

#[test]
fn calls_in_one_direction_are_allowed() {
    for (one, other) in [
        ("", ""),
        ("self.g()", ""),
        ("", "self.f()"),
        ("self.f()", "self.g()"),
        ("self.inner.g()", "self.f()"),
        ("other.g()", "self.f()"),
        ("self.g", "self.f()"),
        ("/* self.g() */", "self.f()"),
        ("Other::g(self)", "self.f()"),
    ] {
        assert_eq!(complaints_about(one, other), [""; 0], "{one} {other}");
    }
}

#[test]
fn calls_both_ways_are_refused() {
    for call in [
        "self.g()",
        "if true { self.g() }",
        "(0..1).for_each(|_| self.g())",
        "(&*self).g()",
        "(&mut *self).g::<u8>()",
        "let this = self; this.g()",
        "Self::g(self)",
        "T::g(self)",
        "crate::t::T::g(self)",
        "<Self>::g(self)",
        "[self].map(Self::g)",
        "assert!(self.g())",
        "assert_eq!(1, [self.g::<u8>()])",
        "debug!(x = ?Self::g(self))",
    ] {
        assert_eq!(
            complaints_about(call, "self.f()"),
            ["methods of t::T call in a circle: t -> t/child (g) -> t (f)"],
            "{call}"
        );
    }
}

#[test]
fn longer_circles_are_refused() {
    let files = |last: &str| {
        let d = format!("use crate::a::A; impl A {{ fn d(&self) {{ {last} }} }}");
        complaints(&sources(&[
            ("a", "pub struct A; impl A { fn a(&self) { self.b() } }"),
            ("b", "use crate::a::A; impl A { fn b(&self) { self.c() } }"),
            (
                "c",
                "use crate::a::A as Other; impl Iterator for Other { fn c(&self) { self.d() } }",
            ),
            ("d", d.as_str()),
        ]))
    };
    assert_eq!(files("self.d()"), [""; 0]);
    assert_eq!(
        files("self.b()"),
        ["methods of a::A call in a circle: b -> c (c) -> d (d) -> b (b)"]
    );
    assert_eq!(
        files("Self::a(self)"),
        ["methods of a::A call in a circle: a -> b (b) -> c (c) -> d (d) -> a (a)"]
    );
}

#[test]
fn functions_and_generic_types_count_as_well() {
    let found = complaints(&sources(&[
        (
            "t",
            "pub struct T<X>(X); impl<X: Copy> T<X> { fn f(&self) {} fn h(&self) {} } \
             fn free(t: &mut T<u8>) { t.g() }",
        ),
        (
            "t/child",
            "use crate::t::T; impl<X> T<X> { fn g(&self) { self.f(); self.h() } }",
        ),
    ]));
    assert_eq!(
        found,
        ["methods of t::T call in a circle: t -> t/child (g) -> t (f, h)"]
    );
}

#[test]
fn types_of_one_name_are_told_apart() {
    let found = complaints(&sources(&[
        ("t", "pub struct T; impl T { fn f(&self) { self.g() } }"),
        ("u", "pub struct T; impl T { fn g(&self) { self.f() } }"),
        ("v", "impl Vec<u8> { fn f(&self) { self.g() } }"),
        ("w", "impl Vec<u8> { fn g(&self) { self.f() } }"),
    ]));
    assert_eq!(found, [""; 0]);
}

#[test]
fn tests_do_not_count() {
    let found = complaints(&sources(&[
        (
            "t",
            "pub struct T; impl T { fn f(&self) {} } #[cfg(test)] mod tests; \
             #[cfg(test)] mod inside { use super::*; fn f(t: T) { t.g() } } \
             #[cfg(test)] impl T { fn h(&self) { self.g() } }",
        ),
        (
            "t/child",
            "use crate::t::T; impl T { fn g(&self) { self.f() } }",
        ),
        (
            "t/tests",
            "use super::*; impl T { fn i(&self) { self.f(); self.g() } }",
        ),
    ]));
    assert_eq!(found, [""; 0]);
}
