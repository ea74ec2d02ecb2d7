//! The examples, as programs to be run.

use std::{env, path::PathBuf, process::Command};

/// Builds an example, if it is not built yet, the way this test was built, and says where it is.
pub fn built(name: &str) -> PathBuf {
    // target/<profile>/deps/<this test>
    let this = env::current_exe().expect("a test runs from a file");
    let profile = this.ancestors().nth(2).expect("target/<profile>");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--example", name]);
    build.arg("--target-dir");
    build.arg(profile.parent().expect("target"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    if !cfg!(feature = "swarm") {
        build.arg("--no-default-features");
    }
    // What cargo tells this test about its package would make other packages look stale.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&*name);
        }
    }
    let built = build.status().expect("cargo runs");
    assert!(built.success(), "the example does not build");
    profile.join("examples").join(name)
}
