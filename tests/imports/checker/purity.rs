//! Impurities and statics.

use super::sources;
use crate::{purity, statics};

#[test]
fn impurities_are_found() {
    for (code, count) in [
        (
            "/// Not libp2p, tokio or an Instant.\nfn f(now: Time) {}",
            0,
        ),
        ("use std::collections::{BTreeMap, HashMap, HashSet};", 2),
        ("use libp2p_identity::PeerId;", 1),
        ("fn f() { libp2p::f(); debug!(now = ?Instant::now()); }", 2),
        ("fn f(now: std::time::SystemTime) {}", 1),
        ("fn f() -> u8 { ThreadRng::default().next() }", 1),
        (
            "#[cfg(test)] mod tests { #[tokio::test] async fn f() {} }",
            1,
        ),
    ] {
        for (file, count) in [
            ("view", count),
            ("view/inside", count),
            ("viewer", 0),
            ("swarm", 0),
        ] {
            let found = purity::complaints(&sources(&[(file, code)]), &["view"]);
            assert_eq!(found.len(), count, "{file}: {code}");
        }
    }
}

#[test]
fn statics_that_keep_state_are_found() {
    for code in [
        "static S: Mutex<u8> = Mutex::new(0);",
        "pub(crate) static S: std::sync::OnceLock<String> = OnceLock::new();",
        "fn f() { static S: AtomicUsize = AtomicUsize::new(0); }",
        "static S: [RwLock<u8>; 2] = [];",
        "static mut S: u8 = 0;",
        "static S: Hidden = Hidden::new();",
        "mod inside { static S: LazyLock<u8> = LazyLock::new(); }",
    ] {
        assert_eq!(
            statics::complaints(&sources(&[("a", code)])),
            ["a: static S keeps state"],
            "{code}"
        );
    }
    assert_eq!(
        statics::complaints(&sources(&[("a", "thread_local! { static S: u8 = 0; }")])),
        ["a: static of thread_local! keeps state"]
    );
}

#[test]
fn other_statics_and_those_of_tests_are_allowed() {
    for code in [
        "const C: Mutex<u8> = Mutex::new(0);",
        "static S: &[(&str, Option<u8>)] = &[];",
        "fn f(s: &'static Mutex<u8>) {}",
        "#[cfg(test)] mod tests { static S: Mutex<u8> = Mutex::new(0); }",
        "#[cfg(all(test, unix))] mod tests { static S: Mutex<u8> = Mutex::new(0); }",
    ] {
        assert_eq!(
            statics::complaints(&sources(&[("a", code)])),
            [""; 0],
            "{code}"
        );
    }
    let files = |module| {
        sources(&[
            ("a", module),
            ("a/b", "mod c;"),
            ("a/b/c", "static S: Mutex<u8> = Mutex::new(0);"),
        ])
    };
    assert_eq!(statics::complaints(&files("#[cfg(test)] mod b;")), [""; 0]);
    assert_eq!(
        statics::complaints(&files("mod b;")),
        ["a/b/c: static S keeps state"]
    );
}
