//! Nodes that leave, seeds that start anew, and a node that has lost everybody.

use std::time::Duration;

use crate::{
    NODE, Transport,
    Transport::{Quic, Tcp},
    alone,
    churn::{
        node::{Failure, Look, Overlay, Settings},
        process::{Process, components, free_port, until, within},
    },
    in_views, kill_all, network, start_all,
};

#[tokio::test]
async fn node_that_says_goodbye_is_forgotten_by_all() -> Result<(), Failure> {
    let _alone = alone().await;
    let mut processes = network(Settings::new(0, vec![Quic.at(0)]), 2).await?;
    let leaving = processes.remove(0);
    let peer = leaving.peer.clone();
    leaving.quit().await?;
    until("all have forgotten the node", &mut processes, |looks| {
        (in_views(looks, &peer) == 0).then_some(())
    })
    .await?;
    kill_all(processes).await
}

/// All others are killed, the seed among them. They start again, the seed does not. The node goes
/// back to those that it has met.
async fn node_that_has_lost_everybody_goes_back_to_those_it_has_met(
    transport: Transport,
    overlay: Overlay,
) -> Result<(), Failure> {
    let _alone = alone().await;
    let seed = Settings {
        overlay,
        exchange_timeout: Some(Duration::from_secs(1)),
        ..Settings::new(0, vec![transport.at(0)])
    };
    let mut processes = network(seed, 5).await?;
    let mut node = processes.split_off(5);
    let others: Vec<Settings> = processes[1..]
        .iter()
        .map(|process| Settings {
            // They have no other way in than the node itself.
            seeds: Vec::new(),
            ..process.settings_at_same_address()
        })
        .collect();
    kill_all(processes).await?;
    until("the node is alone", &mut node, |looks| {
        looks[0].view.is_empty().then_some(())
    })
    .await?;
    let mut processes = Vec::new();
    for settings in others {
        processes.push(Process::start(NODE, settings).await?);
    }
    until("the node has found somebody", &mut node, |looks| {
        (!looks[0].view.is_empty()).then_some(())
    })
    .await?;
    kill_all(node).await?;
    kill_all(processes).await
}

#[tokio::test]
async fn node_that_has_lost_everybody_goes_back_to_those_it_has_met_random_tcp()
-> Result<(), Failure> {
    node_that_has_lost_everybody_goes_back_to_those_it_has_met(Tcp, Overlay::Random).await
}

#[tokio::test]
async fn node_that_has_lost_everybody_goes_back_to_those_it_has_met_basalt_quic()
-> Result<(), Failure> {
    node_that_has_lost_everybody_goes_back_to_those_it_has_met(Quic, Overlay::Basalt).await
}

/// A seed and six nodes. The seed is killed, and the six forget it. It is started again, and six
/// newcomers join through it.
async fn restarted_seed_and_its_newcomers_join_the_others(
    transport: Transport,
    overlay: Overlay,
) -> Result<(), Failure> {
    let _alone = alone().await;
    let seed = Settings {
        overlay,
        ..Settings::new(0, vec![transport.at(free_port()?)])
    };
    let mut processes = network(seed, 6).await?;
    let seed = processes.remove(0);
    let (peer, settings) = (seed.peer.clone(), seed.settings_at_same_address());
    let newcomers = Settings {
        listen: vec![transport.at(0)],
        seeds: seed.addresses.clone(),
        ..settings.clone()
    };
    seed.kill().await?;
    until("all have forgotten the seed", &mut processes, |looks| {
        (in_views(looks, &peer) == 0).then_some(())
    })
    .await?;
    processes.push(Process::start(NODE, settings).await?);
    start_all(&mut processes, 7..13, &newcomers).await?;

    let peers: Vec<String> = processes.iter().map(|p| p.peer.clone()).collect();
    let sizes = |looks: &[Look]| components(&peers, looks);
    let one = |sizes: &Vec<usize>| sizes.len() == 1;
    let rounds = within(60, "one component", &mut processes, sizes, one).await?;
    println!("{transport:?}, {overlay:?}: one component after {rounds} rounds");
    kill_all(processes).await
}

#[tokio::test]
async fn restarted_seed_and_its_newcomers_join_the_others_random_tcp() -> Result<(), Failure> {
    restarted_seed_and_its_newcomers_join_the_others(Tcp, Overlay::Random).await
}

#[tokio::test]
async fn restarted_seed_and_its_newcomers_join_the_others_random_quic() -> Result<(), Failure> {
    restarted_seed_and_its_newcomers_join_the_others(Quic, Overlay::Random).await
}

#[tokio::test]
async fn restarted_seed_and_its_newcomers_join_the_others_basalt_tcp() -> Result<(), Failure> {
    restarted_seed_and_its_newcomers_join_the_others(Tcp, Overlay::Basalt).await
}

#[tokio::test]
async fn restarted_seed_and_its_newcomers_join_the_others_basalt_quic() -> Result<(), Failure> {
    restarted_seed_and_its_newcomers_join_the_others(Quic, Overlay::Basalt).await
}
