//! The changelog speaks of the version that is built.

#[test]
fn newest_heading_is_this_version() {
    let newest = include_str!("../CHANGELOG.md")
        .lines()
        .find_map(|line| line.strip_prefix("## "));
    assert_eq!(
        newest,
        Some(env!("CARGO_PKG_VERSION")),
        "the newest heading of CHANGELOG.md, and the version in Cargo.toml"
    );
}
