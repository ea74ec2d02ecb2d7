//! The node under test, and what is put on its streams.

use std::{collections::BTreeSet, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, Swarm, identity::Keypair, multiaddr::Protocol, swarm::ConnectionId,
};
use libp2p_peer_sampling::{
    Behaviour, Config, Counters, Direction, Event, ExchangeError, InboundError, Limits, SeedError,
};

use crate::common::{
    raw::{Listener, Raw, RawStream, pb, peer_record, signed, within},
    swarms::{Sampling, config},
};

pub const HOUR: Duration = Duration::from_secs(60 * 60);

/// Long enough for an honest exchange on a busy machine, and short enough to be waited for.
pub const SHORT: Duration = Duration::from_secs(1);

/// A node that starts nothing by itself after its first round, and never gives up: what happens,
/// happens because of what a test has sent. Without neighbours, which would make it hurry. One peer
/// may send all the requests of a test.
pub fn still() -> Config {
    let mut limits = Limits::default();
    limits.request_burst = 1_000;
    config()
        .with_limits(limits)
        .with_period(HOUR)
        .with_eager_delay(HOUR)
        .with_exchange_timeout(HOUR)
        .with_neighbours(0)
}

pub fn start(config: Config) -> Sampling {
    // Only a peer sampling behaviour may close anything here.
    Sampling::with_idle_timeout(HOUR, config)
}

/// The node under test, and the honest one that is all its view.
pub struct Victim {
    pub sampling: Sampling,
    pub honest: Sampling,
}

impl Victim {
    pub async fn start(config: Config) -> Self {
        let mut sampling = start(config);
        let honest = start(still().with_seeds([sampling.node.address.clone()]));
        let peer_id = honest.node.peer_id;
        // Its only round for an hour.
        let round = |event| match event {
            Event::Exchanged {
                peer,
                direction: Direction::Outbound,
                ..
            } => (peer == peer_id).then_some(()),
            _ => None,
        };
        sampling.event("the first round", round).await;
        let victim = Self { sampling, honest };
        victim.assert_view([], "at the start");
        victim
    }

    pub fn address(&self) -> &Multiaddr {
        &self.sampling.node.address
    }

    /// The view holds the honest node, these, and nobody else.
    pub fn assert_view(&self, others: impl IntoIterator<Item = PeerId>, when: &str) {
        let expected: BTreeSet<_> = others
            .into_iter()
            .chain([self.honest.node.peer_id])
            .collect();
        let view = self.sampling.view();
        assert_eq!(BTreeSet::from_iter(view), expected, "{when}");
    }

    pub async fn counters(&self) -> Counters {
        let counters = |swarm: &mut Swarm<Behaviour>| swarm.behaviour().counters();
        self.sampling.node.ask(counters).await
    }

    /// What was refused since `before`.
    pub async fn counted_since(&self, before: &Counters) -> Counted {
        counted(before, &self.counters().await)
    }

    pub async fn dial(&self, address: &Multiaddr) {
        let address = address.clone();
        let dial = self.sampling.node.ask(move |swarm| swarm.dial(address));
        dial.await.expect("a dial");
    }

    pub async fn add_seed(&self, address: &Multiaddr) -> Result<(), SeedError> {
        let address = address.clone();
        let add = move |swarm: &mut Swarm<Behaviour>| swarm.behaviour_mut().add_seed(address);
        self.sampling.node.ask(add).await
    }

    /// How the request failed that `from` has sent, and the name of the connection.
    pub async fn inbound_failed(
        &mut self,
        from: PeerId,
        what: &str,
    ) -> (InboundError, ConnectionId) {
        let failed = |event| match event {
            Event::InboundFailed {
                peer,
                connection_id,
                error,
            } => {
                assert_eq!(peer, from, "{what}");
                Some((error, connection_id))
            }
            _ => None,
        };
        self.sampling.event(what, failed).await
    }

    /// How the exchange with `with` failed, and whether the peer left the view for it.
    pub async fn exchange_failed(&mut self, with: PeerId, what: &str) -> (ExchangeError, bool) {
        let failed = |event| match event {
            Event::ExchangeFailed {
                peer,
                error,
                removed,
            } => {
                assert_eq!(peer, with, "{what}");
                Some((error, removed))
            }
            _ => None,
        };
        self.sampling.event(what, failed).await
    }

    pub async fn seed_failed(&mut self, seed: &Multiaddr, what: &str) -> SeedError {
        let failed = |event| match event {
            Event::SeedFailed { address, error } => {
                assert_eq!(address, *seed, "{what}");
                Some(error)
            }
            _ => None,
        };
        self.sampling.event(what, failed).await
    }

    /// The peer makes an exchange as it should be, on the connection that it has spoilt before, and
    /// gets what anybody gets: the view was closed to the fault, and not to the peer.
    pub async fn makes_up_with(&mut self, raw: &Raw, what: &str) {
        let request = asking(vec![raw.descriptor()]);
        let response = raw.exchange(&request).await;
        // Itself and the honest one.
        assert_eq!(response.descriptors.len(), 2, "{what}");
        self.assert_view([raw.peer_id], what);
        self.remove(raw.peer_id).await;
    }

    pub async fn remove(&self, peer: PeerId) {
        let remove = move |swarm: &mut Swarm<Behaviour>| swarm.behaviour_mut().remove(&peer);
        assert!(self.sampling.node.ask(remove).await);
        self.assert_view([], "as before");
    }

    /// The end of a good exchange with `with`: how many descriptors came from it.
    pub async fn exchanged(&mut self, with: PeerId, way: Direction, what: &str) -> usize {
        let exchanged = |event| match event {
            Event::Exchanged {
                peer,
                direction,
                received,
                ..
            } => (peer == with && direction == way).then_some(received),
            Event::ExchangeFailed { .. } | Event::InboundFailed { .. } => {
                panic!("{what}: {event:?}")
            }
            _ => None,
        };
        self.sampling.event(what, exchanged).await
    }

    /// What has happened and nobody has asked for yet.
    pub fn other_events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.sampling.node.events.try_recv().ok()).collect()
    }

    /// The application connects a peer, so the behaviour tries an exchange on the connection, and
    /// leaves it open afterwards: it is not its own.
    pub async fn connect(&self, listener: &mut Listener) -> Raw {
        self.dial(&listener.address).await;
        listener.accept().await
    }

    pub async fn stop(self) {
        self.sampling.node.stop().await;
        self.honest.node.stop().await;
    }
}

/// A request with enough room for the answers in these tests.
pub fn asking(descriptors: Vec<pb::Descriptor>) -> pb::Request {
    pb::Request {
        descriptors,
        pull: true,
        padding: vec![0; 1_024],
        ..Default::default()
    }
}

/// The refusals that were counted lately, by their names.
pub type Counted = Vec<(&'static str, u64)>;

pub fn counted(before: &Counters, after: &Counters) -> Counted {
    let pairs = before.refusals().zip(after.refusals());
    let more = pairs.map(|((reason, before), (_, after))| (reason.name(), after - before));
    more.filter(|(_, count)| *count > 0).collect()
}

pub fn bare(signed_peer_record: Vec<u8>) -> pb::Descriptor {
    pb::Descriptor {
        signed_peer_record,
        age: 0,
        ..Default::default()
    }
}

/// A flawless descriptor of somebody new.
pub fn stranger() -> pb::Descriptor {
    let keypair = Keypair::generate_ed25519();
    bare(signed(&keypair, &peer_record(&keypair, &[&home()])))
}

pub fn home() -> Multiaddr {
    Multiaddr::from(Protocol::Memory(u64::MAX - 1))
}

pub async fn put(stream: &mut RawStream, bytes: &[u8]) {
    within("writing", stream.write_all(bytes))
        .await
        .expect("a stream");
    within("writing", stream.flush()).await.expect("a stream");
}

pub async fn end(stream: &mut RawStream) {
    // The node may have all that it wants, and be gone.
    let _ = within("closing", stream.close()).await;
}

/// Waits until the node has let go of a stream, and returns what came until then.
pub async fn rest(stream: &mut RawStream, what: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within(what, stream.read_to_end(&mut bytes)).await;
    bytes
}
