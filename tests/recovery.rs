//! Nodes that were away come back. Each is a process of its own, over TCP or QUIC on loopback.
#![cfg(unix)]

mod common;

#[path = "../examples/churn"]
#[allow(dead_code, unreachable_pub)]
mod churn {
    pub mod node;
    pub mod process;
}

use std::{collections::BTreeMap, time::Duration};

use churn::{
    node::{self, Command, Failure, Look, Overlay, Settings},
    process::{Process, components, free_port, looks, until, within},
};
use common::{
    raw::{pb, peer_record, signed},
    swarms::{Node, PATIENCE, config, ip_swarm},
};
use futures::StreamExt;
use libp2p::{Multiaddr, Swarm, identity::Keypair, swarm::SwarmEvent};
use libp2p_peer_sampling::{Behaviour, Event};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{sleep, timeout},
};

/// What makes this program a node: see [`node_process`].
const NODE: &[&str] = &["--ignored", "--exact", "node_process", "--nocapture"];

#[tokio::test]
#[ignore = "a node that the other tests start"]
async fn node_process() -> Result<(), Failure> {
    match node::settings()? {
        Some(settings) => node::run(&settings).await,
        None => Ok(()),
    }
}

/// One network at a time: a dozen processes are enough for a machine.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

#[derive(Debug, Clone, Copy)]
enum Transport {
    Tcp,
    Quic,
}

use Transport::{Quic, Tcp};

impl Transport {
    fn at(self, port: u16) -> Multiaddr {
        let address = match self {
            Tcp => format!("/ip4/127.0.0.1/tcp/{port}"),
            Quic => format!("/ip4/127.0.0.1/udp/{port}/quic-v1"),
        };
        address.parse().expect("a multiaddr")
    }
}

/// Starts nodes with these keys and the same other settings.
async fn start_all(
    processes: &mut Vec<Process>,
    keys: std::ops::Range<u64>,
    settings: &Settings,
) -> Result<(), Failure> {
    for key in keys {
        let settings = Settings {
            key,
            ..settings.clone()
        };
        processes.push(Process::start(NODE, settings).await?);
    }
    Ok(())
}

/// A node on a port where it can be started again, and `others` that have it as their seed. All
/// know each other. The first is the seed.
async fn network(seed: Settings, others: u64) -> Result<Vec<Process>, Failure> {
    let first = Process::start(NODE, seed.clone()).await?;
    let settings = Settings {
        listen: seed.listen.iter().map(any_port).collect(),
        external: Vec::new(),
        seeds: first.addresses.clone(),
        ..seed
    };
    let mut processes = vec![first];
    start_all(
        &mut processes,
        seed.key + 1..seed.key + 1 + others,
        &settings,
    )
    .await?;
    let full = usize::try_from(others)?;
    until("all know all others", &mut processes, |looks| {
        let all = looks.iter().all(|look| look.view.len() == full);
        all.then_some(())
    })
    .await?;
    Ok(processes)
}

/// An address of the same kind, with a port that the system chooses.
fn any_port(address: &Multiaddr) -> Multiaddr {
    match address.to_string().contains("/udp/") {
        true => Quic.at(0),
        false => Tcp.at(0),
    }
}

async fn kill_all(processes: Vec<Process>) -> Result<(), Failure> {
    for process in processes {
        process.kill().await?;
    }
    Ok(())
}

/// In how many of these views the peer is.
fn in_views(looks: &[Look], peer: &str) -> usize {
    looks
        .iter()
        .filter(|look| look.view.contains_key(peer))
        .count()
}

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

// ---- A node loses everybody ----

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

// ---- A seed is restarted ----

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

// ---- A node comes back with a clock that is behind ----

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

// ---- A port is closed for a while ----

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
        // Nobody keeps a connection: whoever wants an exchange has to dial.
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

// ---- Nodes hang ----

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

// ---- Both dial at the same moment ----

const PAIRS: usize = 30;
/// The swarm's own default.
const IDLE: Duration = Duration::from_secs(10);

/// A node that listens and has a record of another, and is not polled yet.
fn prepared(transport: Transport) -> (Swarm<Behaviour>, Keypair) {
    let keypair = Keypair::generate_ed25519();
    let mut swarm = ip_swarm(keypair.clone(), IDLE, |keypair| {
        Behaviour::new(keypair, config()).expect("valid settings")
    });
    swarm.listen_on(transport.at(0)).expect("loopback");
    (swarm, keypair)
}

/// Thirty pairs of nodes. The two of a pair know each other from the start, and nobody else, so
/// they dial each other at once.
async fn pairs_that_dial_each_other_end_with_one_connection(transport: Transport) {
    let _alone = alone().await;
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let mut pair = [prepared(transport), prepared(transport)];
        let mut envelopes = Vec::new();
        for (swarm, keypair) in &mut pair {
            let address = loop {
                if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                    break address;
                }
            };
            envelopes.push(signed(keypair, &peer_record(keypair, &[&address])));
        }
        // Each is given the other's.
        for ((swarm, _), envelope) in pair.iter_mut().zip(envelopes.into_iter().rev()) {
            let taken = swarm.behaviour_mut().init([envelope]);
            assert_eq!(taken.entered, 1, "{taken:?}");
        }
        pairs.push(pair);
    }
    let spawn = |(swarm, _): (Swarm<Behaviour>, Keypair)| {
        let address = swarm.listeners().next().expect("it listens").clone();
        Node::spawn(swarm, address)
    };
    let mut pairs: Vec<[Node; 2]> = pairs.into_iter().map(|pair| pair.map(spawn)).collect();

    let look = |swarm: &mut Swarm<Behaviour>| {
        let connections = swarm.network_info().connection_counters().num_established();
        let behaviour = swarm.behaviour();
        let neighbours = behaviour.neighbours().len();
        (connections, neighbours, behaviour.handle().view_len())
    };
    let mut looks = Vec::new();
    let settled = timeout(PATIENCE, async {
        loop {
            looks.clear();
            for node in pairs.iter().flatten() {
                looks.push(node.ask(look).await);
            }
            if looks.iter().all(|look| *look == (1, 1, 1)) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    let settled = settled.await;
    let counted = |look: &(u32, usize, usize)| looks.iter().filter(|l| *l == look).count();
    let counts: BTreeMap<_, _> = looks.iter().map(|look| (*look, counted(look))).collect();
    let mut removed = Vec::new();
    for node in pairs.iter_mut().flatten() {
        while let Ok(event) = node.events.try_recv() {
            if let Event::ExchangeFailed {
                error,
                removed: true,
                ..
            } = event
            {
                removed.push(error.to_string());
            }
        }
    }
    println!("{transport:?}: by connections, neighbours and peers in the view: {counts:?}");
    assert!(removed.is_empty(), "{removed:?}, {counts:?}");
    assert!(
        settled.is_ok(),
        "not every node has one connection, {counts:?}"
    );
    for node in pairs.into_iter().flatten() {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_that_dial_each_other_end_with_one_connection_tcp() {
    pairs_that_dial_each_other_end_with_one_connection(Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_that_dial_each_other_end_with_one_connection_quic() {
    pairs_that_dial_each_other_end_with_one_connection(Quic).await;
}
