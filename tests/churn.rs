//! Gossipsub while nodes are killed and replaced: `examples/studies/churn.rs` on a small scale.

#[path = "../examples/studies/churn"]
#[allow(dead_code, unreachable_pub)]
mod churn {
    pub mod node;
    pub mod process;
    pub mod study;
}

use std::time::Duration;

use churn::{
    node::{self, Failure},
    study::{self, Plan, Transports},
};

#[tokio::test]
#[ignore = "a node that the other test starts"]
async fn node_process() -> Result<(), Failure> {
    match node::settings()? {
        Some(settings) => node::run(&settings).await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn every_message_arrives_while_nodes_are_killed_and_replaced() -> Result<(), Failure> {
    let plan = Plan {
        arguments: &["--ignored", "--exact", "node_process", "--nocapture"],
        nodes: 12,
        transports: Transports::Both,
        replace_every: Duration::from_secs(2),
        message_every: Duration::from_millis(400),
        duration: Duration::from_secs(30),
        period: Duration::from_secs(10),
        exchange_timeout: None,
        fanout: 1,
        seed: 0,
    };
    let measured = study::run(&plan).await?;
    assert!(measured.expected > 0);
    assert!(measured.lost.is_empty(), "{measured:?}");
    Ok(())
}
