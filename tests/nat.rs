//! Behind address translators: real swarms on loopback TCP, with relays, dcutr, AutoNAT and
//! identify beside peer sampling.
//!
//! A node "behind a translator" listens at a relay only, or listens and advertises nothing that was
//! not confirmed.

mod common;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, autonat,
    core::ConnectedPoint,
    dcutr, identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise, relay,
    swarm::{ConnectionId, FromSwarm, NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
    tcp, yamux,
};
use libp2p_peer_sampling::{
    Behaviour, Config, Event, ExchangeError, Handle, NotAdmitted, Selection,
};

use rand::{SeedableRng, rngs::StdRng};

use crate::common::{
    observer::{Observer, Sees},
    swarms::{self, Node, eventually, eventually_async},
};

/// Everything that a node may be composed of.
#[derive(NetworkBehaviour)]
struct All {
    relay: Toggle<relay::Behaviour>,
    client: relay::client::Behaviour,
    dcutr: Toggle<dcutr::Behaviour>,
    autonat_server: Toggle<autonat::v2::server::Behaviour>,
    autonat_client: Toggle<autonat::v2::client::Behaviour>,
    identify: Toggle<identify::Behaviour>,
    ends: Observer<Ends>,
    sampling: Behaviour,
}

/// Remembers how every connection was made.
#[derive(Default)]
struct Ends {
    open: BTreeMap<ConnectionId, (PeerId, ConnectedPoint)>,
    /// Those that are closed, too.
    ever: Vec<(PeerId, ConnectedPoint)>,
}

impl Ends {
    /// Whether the connections to `peer` are relayed.
    fn relayed(&self, peer: PeerId) -> Vec<bool> {
        let ends = self.open.values().filter(|(other, _)| *other == peer);
        ends.map(|(_, end)| end.is_relayed()).collect()
    }

    /// Whether there was a connection through a relay, that this end has accepted.
    fn was_reached_through_a_relay_by(&self, peer: PeerId) -> bool {
        let mut ends = self.ever.iter().filter(|(other, _)| *other == peer);
        ends.any(|(_, end)| end.is_relayed() && end.is_listener())
    }
}

impl Sees for Ends {
    type Says = Infallible;

    fn sees(&mut self, event: &FromSwarm<'_>) -> Option<Infallible> {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                let end = (event.peer_id, event.endpoint.clone());
                self.ever.push(end.clone());
                self.open.insert(event.connection_id, end);
            }
            FromSwarm::ConnectionClosed(event) => _ = self.open.remove(&event.connection_id),
            _ => {}
        }
        None
    }
}

/// A relay that all these nodes on one machine may use as often as they like.
fn generous() -> relay::Config {
    relay::Config {
        max_circuits: 100,
        max_circuits_per_peer: 100,
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    }
}

/// Which of [`All`] a node has, beside the relay's client.
#[derive(Default)]
struct Parts {
    relay: Option<relay::Config>,
    dcutr: bool,
    autonat_server: bool,
    autonat_client: bool,
}

struct Sampling {
    node: Node<All>,
    handle: Handle,
}

impl Sampling {
    /// A node that listens on loopback, and at a relay if there is one.
    async fn listening(config: Config, parts: Parts, relay: Option<&Self>) -> Self {
        let mut swarm = build(config, parts);
        let any = "/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr");
        swarm.listen_on(any).expect("TCP");
        if let Some(relay) = relay {
            swarm.listen_on(relay.circuit()).expect("a relay's address");
        }
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await
                && !is_relayed(&address)
            {
                let full = address.with(Protocol::P2p(*swarm.local_peer_id()));
                return Self::spawn(swarm, full);
            }
        }
    }

    /// The relay: known to be reachable.
    async fn relay(config: Config, limits: relay::Config) -> Self {
        let parts = Parts {
            relay: Some(limits),
            autonat_server: true,
            ..Parts::default()
        };
        let relay = Self::listening(config, parts, None).await;
        let address = relay.node.address.clone();
        relay
            .node
            .ask(|swarm| swarm.add_external_address(address))
            .await;
        relay
    }

    /// A node that can only be reached through `relay`.
    fn behind(relay: &Self, config: Config, parts: Parts) -> Self {
        let mut swarm = build(config, parts);
        swarm.listen_on(relay.circuit()).expect("a relay's address");
        Self::spawn(swarm, relay.circuit())
    }

    /// Where somebody behind this relay is found.
    fn circuit(&self) -> Multiaddr {
        self.node.address.clone().with(Protocol::P2pCircuit)
    }

    fn spawn(swarm: Swarm<All>, address: Multiaddr) -> Self {
        let handle = swarm.behaviour().sampling.handle();
        let node = Node::spawn(swarm, address);
        Self { node, handle }
    }

    fn id(&self) -> PeerId {
        self.node.peer_id
    }

    /// Under which addresses `peer` is in the view; none: it is not there.
    fn addresses_of(&self, peer: PeerId) -> Vec<Multiaddr> {
        let view = self.handle.view();
        let mut records = view.peers().filter(|record| record.peer_id() == peer);
        records
            .next()
            .map_or(Vec::new(), |r| r.addresses().to_vec())
    }

    fn knows(&self, peer: PeerId) -> bool {
        !self.addresses_of(peer).is_empty()
    }

    async fn neighbours(&self) -> Vec<PeerId> {
        let neighbours = |swarm: &mut Swarm<All>| swarm.behaviour().sampling.neighbours().to_vec();
        self.node.ask(neighbours).await
    }

    async fn advertises(&self) -> Vec<Multiaddr> {
        let record = |swarm: &mut Swarm<All>| swarm.behaviour().sampling.local_record().cloned();
        let record = self.node.ask(record).await;
        record.map_or(Vec::new(), |record| record.addresses().to_vec())
    }

    async fn ends<T: Send + 'static>(&self, ask: impl FnOnce(&Ends) -> T + Send + 'static) -> T {
        self.node
            .ask(|swarm| ask(&swarm.behaviour().ends.who))
            .await
    }

    async fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let of_ours = |event| match event {
            AllEvent::Sampling(event) => wanted(event),
            _ => None,
        };
        self.node.event(what, of_ours).await
    }

    /// How many connections to `peer` dcutr says to have made, among the events so far; it says so
    /// to the end that is reached first.
    fn upgrades(&mut self, peer: PeerId) -> usize {
        let events = std::iter::from_fn(|| self.node.events.try_recv().ok());
        let upgraded = |event: &AllEvent| {
            matches!(event, AllEvent::Dcutr(dcutr::Event { remote_peer_id, result: Ok(_) })
                if *remote_peer_id == peer)
        };
        events.filter(upgraded).count()
    }

    /// Waits until this node says that it has nothing to advertise, and returns why.
    async fn not_advertising(&mut self) -> Vec<(Multiaddr, NotAdmitted)> {
        let why = |event| match event {
            Event::NotAdvertising(why) => Some(why.addresses),
            _ => None,
        };
        self.event("that it has nothing to advertise", why).await
    }

    /// Waits for exchanges with a peer, started by either side: a node may select one partner again
    /// and again.
    async fn exchanges_with(&mut self, wanted: PeerId, mut count: usize) {
        let with_it = |event| match event {
            Event::Exchanged { peer, .. } if peer == wanted => {
                count -= 1;
                (count == 0).then_some(())
            }
            _ => None,
        };
        self.event("exchanges", with_it).await;
    }
}

fn build(config: Config, parts: Parts) -> Swarm<All> {
    let keypair = Keypair::generate_ed25519();
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("TCP")
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .expect("a relay client")
        .with_behaviour(|keypair, client| {
            let me = keypair.public().to_peer_id();
            let identify = identify::Config::new("/nat/1".into(), keypair.public());
            let probing = autonat::v2::client::Config::default()
                .with_probe_interval(Duration::from_millis(100));
            let relay = parts.relay.map(|limits| relay::Behaviour::new(me, limits));
            let dcutr = parts.dcutr.then(|| dcutr::Behaviour::new(me));
            let server = parts.autonat_server.then(Default::default);
            let prober = parts
                .autonat_client
                .then(|| autonat::v2::client::Behaviour::new(StdRng::seed_from_u64(1), probing));
            All {
                relay: relay.into(),
                client,
                dcutr: dcutr.into(),
                autonat_server: server.into(),
                autonat_client: prober.into(),
                identify: Some(identify::Behaviour::new(identify)).into(),
                ends: Observer::default(),
                sampling: Behaviour::new(keypair, config).expect("valid settings"),
            }
        })
        .expect("infallible")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(10)))
        .build()
}

fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

fn config() -> Config {
    swarms::config().with_relayed(true)
}

fn seeded(config: Config, seed: &Sampling) -> Config {
    config.with_seeds([seed.node.address.clone()])
}

async fn stop(nodes: impl IntoIterator<Item = Sampling>) {
    for node in nodes {
        node.node.stop().await;
    }
}

#[tokio::test]
async fn a_node_behind_a_relay_is_sampled_through_it() {
    // Neighbours would be connected directly, and so not dialled.
    let config = || config().with_neighbours(0);
    let relay = Sampling::relay(config(), generous()).await;
    let mut open = Sampling::listening(seeded(config(), &relay), Parts::default(), None).await;
    let hidden = Sampling::behind(&relay, seeded(config(), &relay), Parts::default());
    let (me, him) = (open.id(), hidden.id());

    // It was found there: an exchange was made on a connection that was dialled at this address.
    let found = |event| match event {
        Event::Contacted { peer, addresses } if peer == him => Some(addresses),
        _ => None,
    };
    let found = open.event("an exchange through the relay", found).await;
    let through = relay.circuit();
    let home = through.clone().with(Protocol::P2p(him));
    assert_eq!(found, [home]);
    let reached = hidden.ends(move |e| e.was_reached_through_a_relay_by(me));
    assert!(reached.await, "it has accepted no relayed connection");

    // And everybody knows it, by this address alone.
    for node in [&open, &relay] {
        eventually("it is known", || node.knows(him)).await;
        assert_eq!(node.addresses_of(him), std::slice::from_ref(&through));
        let drawn = || node.handle.select_peer(Selection::Uniform);
        let sampled = || drawn().is_some_and(|record| record.peer_id() == him);
        eventually("it is sampled", sampled).await;
    }
    let view = || hidden.knows(open.id()) && hidden.knows(relay.id());
    eventually("its own view", view).await;
    stop([relay, open, hidden]).await;
}

#[tokio::test]
async fn node_without_relayed_addresses_takes_part_unseen() {
    let relay = Sampling::relay(swarms::config(), generous()).await;
    let config = || seeded(swarms::config(), &relay);
    let open = Sampling::listening(config(), Parts::default(), None).await;
    let mut hidden = Sampling::behind(&relay, config(), Parts::default());
    let him = hidden.id();

    let why = hidden.not_advertising().await;
    assert!(!why.is_empty() && why.iter().all(|(_, why)| *why == NotAdmitted::Relayed));
    hidden.exchanges_with(open.id(), 3).await;
    assert!(hidden.knows(open.id()) && hidden.knows(relay.id()));
    let neighbours = async || hidden.neighbours().await.len() == 2;
    eventually_async("neighbours that it has dialled", neighbours).await;
    hidden.exchanges_with(open.id(), 5).await;
    assert!(hidden.advertises().await.is_empty());
    assert!(!open.knows(him) && !relay.knows(him), "they know it");
    stop([relay, open, hidden]).await;
}

#[tokio::test]
async fn relayed_connections_are_for_exchanges_and_not_for_neighbours() {
    let relay = Sampling::relay(config(), generous()).await;
    let behind = || Sampling::behind(&relay, seeded(config(), &relay), Parts::default());
    let (mut one, other) = (behind(), behind());
    one.exchanges_with(other.id(), 10).await;
    for node in [&one, &other] {
        // The relay would have been agreed on in the first exchange, as they would.
        let neighbours = async || node.neighbours().await == [relay.id()];
        eventually_async("the relay as neighbour", neighbours).await;
    }
    stop([relay, one, other]).await;
}

#[tokio::test]
async fn connection_that_dcutr_makes_is_used_and_may_stay() {
    let relay = Sampling::relay(config(), generous()).await;
    let behind = async || {
        let config = seeded(config().with_listen_addresses(false), &relay);
        let parts = Parts {
            dcutr: true,
            ..Parts::default()
        };
        Sampling::listening(config, parts, Some(&relay)).await
    };
    let (mut one, mut other) = (behind().await, behind().await);
    assert!(one.advertises().await.iter().all(is_relayed));

    for (node, peer) in [(&one, other.id()), (&other, one.id())] {
        let agreed = async || node.neighbours().await.contains(&peer);
        eventually_async("neighbours, over the direct connection", agreed).await;
        let direct = async || {
            let relayed = node.ends(move |ends| ends.relayed(peer)).await;
            !relayed.is_empty() && !relayed.contains(&true)
        };
        eventually_async("the relay is needed no longer", direct).await;
    }
    let by_dcutr = one.upgrades(other.id()) + other.upgrades(one.id());
    assert!(by_dcutr > 0, "not by dcutr");
    // On the direct connection: there is no other.
    let him = other.id();
    one.exchanges_with(him, 2).await;
    let relayed = one.ends(move |ends| ends.relayed(him)).await;
    assert!(
        !relayed.is_empty() && !relayed.contains(&true),
        "{relayed:?}"
    );
    stop([relay, one, other]).await;
}

#[tokio::test]
async fn a_node_advertises_what_autonat_confirms_for_as_long_as_it_does() {
    let relay = Sampling::relay(config(), generous()).await;
    let settings = seeded(config().with_listen_addresses(false), &relay);
    let probing = Parts {
        autonat_client: true,
        ..Parts::default()
    };
    let mut node = Sampling::listening(settings, probing, None).await;
    let him = node.id();
    let mut address = node.node.address.clone();
    address.pop();
    eventually_async("confirmed", async || {
        node.advertises().await == [address.clone()]
    })
    .await;
    eventually("known", || relay.addresses_of(him) == [address.clone()]).await;

    let expired = address.clone();
    node.node
        .ask(move |swarm| swarm.remove_external_address(&expired))
        .await;
    eventually_async("expired", async || node.advertises().await.is_empty()).await;
    let why = node.not_advertising().await;
    assert_eq!(why, [(address, NotAdmitted::Unconfirmed)]);

    // A later record replaces the earlier, in the views of others.
    let moved: Multiaddr = "/ip4/127.0.0.2/tcp/9".parse().expect("a multiaddr");
    let there = moved.clone();
    node.node
        .ask(|swarm| swarm.add_external_address(there))
        .await;
    eventually("moved", || relay.addresses_of(him) == [moved.clone()]).await;
    stop([relay, node]).await;
}

#[tokio::test]
async fn a_place_at_a_relay_is_advertised_for_as_long_as_there_is_the_relay() {
    let (one, other) = (
        Sampling::relay(config(), generous()).await,
        Sampling::relay(config(), generous()).await,
    );
    let settings = seeded(seeded(config(), &one), &other);
    let mut node = Sampling::behind(&one, settings, Parts::default());
    let him = node.id();
    let places = [one.circuit(), other.circuit()];
    eventually_async("a record", async || node.advertises().await == places[..1]).await;
    eventually("known", || other.addresses_of(him) == places[..1]).await;
    one.node.stop().await;
    eventually_async("gone", async || node.advertises().await.is_empty()).await;
    node.not_advertising().await;
    // Another relay, another record.
    let there = other.circuit();
    let listens = |swarm: &mut Swarm<All>| swarm.listen_on(there).map(|_| ());
    node.node.ask(listens).await.expect("a relay's address");
    eventually_async("a record", async || node.advertises().await == places[1..]).await;
    eventually("moved", || other.addresses_of(him) == places[1..]).await;
    stop([other, node]).await;
}

/// The relay takes reservations, and carries nothing.
#[tokio::test]
async fn a_relay_that_is_full_says_nothing_about_those_behind_it() {
    let full = relay::Config {
        max_circuits: 0,
        ..generous()
    };
    let config = || config().with_neighbours(0);
    let relay = Sampling::relay(config(), full).await;
    let mut open = Sampling::listening(seeded(config(), &relay), Parts::default(), None).await;
    let hidden = Sampling::behind(&relay, seeded(config(), &relay), Parts::default());
    let him = hidden.id();
    let full = |event| match event {
        Event::ExchangeFailed { peer, error, .. } if peer == him => match error {
            ExchangeError::RelayFull(_) => Some(()),
            ExchangeError::Unreachable(why) => panic!("the peer is blamed: {why}"),
            // On connections of its own, which it closes as it likes.
            _ => None,
        },
        _ => None,
    };
    open.event("an exchange that the relay refuses", full).await;
    // Not in quarantine: the next to tell of it is believed.
    eventually("known again", || open.knows(him)).await;
    stop([relay, open, hidden]).await;
}
