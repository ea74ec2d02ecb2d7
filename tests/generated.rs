//! The checked-in code is what the schema generates. Run with `UPDATE_GENERATED=1` to renew it.

use std::{env, error::Error, fs, path::Path};

#[test]
fn generated_code_is_fresh() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked_in = root.join("src/swarm/generated.rs");

    let out = env::temp_dir().join(format!("peer-sampling-generated-{}", std::process::id()));
    fs::create_dir_all(&out)?;
    let schema = protox::compile(
        [root.join("proto/peer_sampling.proto")],
        [root.join("proto")],
    )?;
    prost_build::Config::new()
        .out_dir(&out)
        .compile_fds(schema)?;
    let fresh = fs::read_to_string(out.join("peer_sampling.rs"))?;
    fs::remove_dir_all(&out)?;

    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&checked_in, &fresh)?;
    }
    assert!(
        fs::read_to_string(&checked_in).is_ok_and(|code| code == fresh),
        "stale: run UPDATE_GENERATED=1 cargo test --test generated"
    );
    Ok(())
}
