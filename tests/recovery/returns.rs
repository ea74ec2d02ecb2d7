//! Nodes that come back: with another clock, through a port that opens, after a stop.

use std::time::Duration;

use crate::{
    NODE, Transport,
    Transport::{Quic, Tcp},
    alone,
    churn::{
        node::{Command, Failure, Look, Overlay, Settings},
        process::{Process, free_port, looks, until, within},
    },
    common::raw::{pb, peer_record, signed},
    in_views, kill_all, network,
};

/// Far from now, in nanoseconds since 1970: the year 2096.
const FUTURE: u64 = 4_000_000_000_000_000_000;

/// Everybody has a record of the peer from its future, with its old address. It starts at another.
async fn node_whose_clock_was_set_back_is_found_at_its_new_address(
    transport: Transport,
    overlay: Overlay,
) -> Result<(), Failure> {
    let _alone = alone().await;
    let seed = Settings {
        overlay,
        ..Settings::new(0, vec![transport.at(0)])
    };
    let mut processes = network(seed, 7).await?;
    let settings = Settings {
        key: 8,
        seeds: processes[0].addresses.clone(),
        ..processes[0].settings.clone()
    };
    let keypair = settings.keypair();
    let old = transport.at(free_port()?);
    let record = pb::PeerRecord {
        seq: FUTURE,
        ..peer_record(&keypair, &[&old])
    };
    let envelopes = vec![signed(&keypair, &record)];
    let mut taken = 0;
    for process in &mut processes {
        let envelopes = envelopes.clone();
        taken += process.ask::<usize>(&Command::Init { envelopes }).await?;
    }
    // Basalt does not take everybody.
    assert!(taken >= 4, "only {taken} have taken the old record");
    let returned = Process::start(NODE, settings).await?;
    let mut new = returned.addresses[0].clone();
    new.pop();
    let peer = returned.peer.clone();

    let there = |looks: &[Look]| {
        let addresses = looks.iter().filter_map(|look| look.view.get(&peer));
        addresses
            .filter(|addresses| addresses.contains(&new))
            .count()
    };
    let half = |there: &usize| *there >= 4;
    let what = "the new address is in half of the views";
    let rounds = within(30, what, &mut processes, there, half).await?;
    println!("{transport:?}, {overlay:?}: in half of the views after {rounds} rounds");
    returned.kill().await?;
    kill_all(processes).await
}

#[tokio::test]
async fn node_whose_clock_was_set_back_is_found_at_its_new_address_random_tcp()
-> Result<(), Failure> {
    node_whose_clock_was_set_back_is_found_at_its_new_address(Tcp, Overlay::Random).await
}

#[tokio::test]
async fn node_whose_clock_was_set_back_is_found_at_its_new_address_basalt_quic()
-> Result<(), Failure> {
    node_whose_clock_was_set_back_is_found_at_its_new_address(Quic, Overlay::Basalt).await
}

/// How often a node dials in vain before it gives up on a peer.
const LAST_CHANCE: usize = 6;

/// A node advertises a port that is closed, as behind a translator that has lost its mapping. It
/// still dials the others, so they try to reach it again and again. Then the port opens.
async fn node_comes_back_when_its_port_opens(
    transport: Transport,
    overlay: Overlay,
) -> Result<(), Failure> {
    let _alone = alone().await;
    let seed = Settings {
        overlay,
        // Nobody keeps a connection: each exchange needs a dial.
        neighbours: 0,
        exchange_timeout: Some(Duration::from_secs(1)),
        quarantine: (Duration::from_millis(200), Duration::from_secs(1)),
        ..Settings::new(0, vec![transport.at(0)])
    };
    let mut processes = network(seed, 7).await?;
    let address = transport.at(free_port()?);
    let settings = Settings {
        key: 8,
        listen: vec![address.clone()],
        external: vec![address.clone()],
        seeds: processes[0].addresses.clone(),
        ..processes[0].settings.clone()
    };
    let mut closed = Process::start(NODE, settings).await?;
    let peer = closed.peer.clone();
    let most = |looks: &[Look]| (in_views(looks, &peer) > 4).then_some(());
    until("the node is in most views", &mut processes, most).await?;

    let _: bool = closed.ask(&Command::Close).await?;
    let what = "most have dialled it in vain as often as they will in a row";
    let in_vain = |look: &&Look| {
        let failures = look.failures.iter().filter(|failed| failed.peer == peer);
        failures.count() >= LAST_CHANCE
    };
    until(what, &mut processes, |looks| {
        (looks.iter().filter(in_vain).count() > 4).then_some(())
    })
    .await?;
    let _: bool = closed.ask(&Command::Open { address }).await?;

    // It has been in views all the time, since it calls. Now the others reach it too.
    let exchanges = |look: &Look| look.exchanges.get(&peer).copied().unwrap_or_default();
    let before: Vec<u64> = looks(&mut processes).await?.iter().map(exchanges).collect();
    let state = |looks: &[Look]| {
        let reached = looks.iter().zip(&before);
        let reached = reached.filter(|(look, before)| exchanges(look) > **before);
        (in_views(looks, &peer), reached.count())
    };
    let most = |(views, reached): &(usize, usize)| *views > 4 && *reached > 4;
    let what = "most have it in their view and have reached it";
    let rounds = within(60, what, &mut processes, state, most).await?;
    println!("{transport:?}, {overlay:?}: most have reached it after {rounds} rounds");
    closed.kill().await?;
    kill_all(processes).await
}

#[tokio::test]
async fn node_comes_back_when_its_port_opens_random_tcp() -> Result<(), Failure> {
    node_comes_back_when_its_port_opens(Tcp, Overlay::Random).await
}

#[tokio::test]
async fn node_comes_back_when_its_port_opens_basalt_quic() -> Result<(), Failure> {
    node_comes_back_when_its_port_opens(Quic, Overlay::Basalt).await
}

/// Thirteen nodes, eight neighbours each. Two of them are stopped: their connections stay open, and
/// nothing comes over them any more. Then they go on.
async fn stopped_nodes_are_no_neighbours_until_they_go_on(
    transport: Transport,
) -> Result<(), Failure> {
    let _alone = alone().await;
    let seed = Settings {
        exchange_timeout: Some(Duration::from_secs(1)),
        ..Settings::new(0, vec![transport.at(0)])
    };
    let mut processes = network(seed, 12).await?;
    let what = "nearly all places for neighbours are taken";
    until(what, &mut processes, |looks| {
        let taken: usize = looks.iter().map(|look| look.neighbours.len()).sum();
        (taken >= 96).then_some(())
    })
    .await?;

    let stopped = processes.split_off(11);
    stopped.iter().try_for_each(Process::stop)?;
    let peers: Vec<String> = stopped.iter().map(|process| process.peer.clone()).collect();
    let held = |looks: &[Look]| {
        let neighbours = looks.iter().flat_map(|look| &look.neighbours);
        neighbours.filter(|peer| peers.contains(peer)).count()
    };
    println!(
        "{transport:?}: {} places at first",
        held(&looks(&mut processes).await?)
    );
    let what = "no node has a stopped one as its neighbour";
    let rounds = within(15, what, &mut processes, held, |held| *held == 0).await?;
    println!("{transport:?}: no place after {rounds} rounds");

    stopped.iter().try_for_each(Process::resume)?;
    until(
        "both are neighbours of somebody again",
        &mut processes,
        |looks| {
            let of_somebody = |peer| looks.iter().any(|look| look.neighbours.contains(peer));
            peers.iter().all(of_somebody).then_some(())
        },
    )
    .await?;
    kill_all(stopped).await?;
    kill_all(processes).await
}

#[tokio::test]
async fn stopped_nodes_are_no_neighbours_until_they_go_on_tcp() -> Result<(), Failure> {
    stopped_nodes_are_no_neighbours_until_they_go_on(Tcp).await
}

#[tokio::test]
async fn stopped_nodes_are_no_neighbours_until_they_go_on_quic() -> Result<(), Failure> {
    stopped_nodes_are_no_neighbours_until_they_go_on(Quic).await
}
