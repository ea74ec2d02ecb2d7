//! Pairs of nodes that dial each other at the same moment.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use libp2p::{Swarm, identity::Keypair, swarm::SwarmEvent};
use libp2p_peer_sampling::{Behaviour, Event};
use tokio::time::{sleep, timeout};

use crate::{
    Transport,
    Transport::{Quic, Tcp},
    alone,
    common::{
        raw::{peer_record, signed},
        swarms::{Node, PATIENCE, config, ip_swarm},
    },
};

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
