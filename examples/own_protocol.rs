//! Bring your own gossip: the news of the day, simulated on 1,000 nodes, and then in real swarms.
//! `cargo run --example own_protocol`. To write another protocol, copy this file, and read the page
//! `libp2p_peer_sampling::protocols`.

use std::{error::Error, fmt::Debug, hash::Hash, time::Duration};

use futures::StreamExt;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, SwarmBuilder, identity::Keypair};
use libp2p_peer_sampling::gossip::{Exchange, ExchangeId, Failure, Peers, Protocol, rounds::*};
use libp2p_peer_sampling::simulator::{config::Config as Network, driver::Driver, events::Events};
use libp2p_peer_sampling::{Behaviour, Config, overlay::Random, rider, sampler, time::*, wire};

const PERIOD: Duration = Duration::from_secs(1);

/// The protocol, without I/O. News begin with their date, so the greatest text is the latest. Any
/// node may tell news. A false date would stay for ever: in a real network, have news signed.
struct News<I> {
    latest: String,
    is_new: bool,
    rounds: Rounds<I>,
    rng: rand::rngs::StdRng,
}

impl<I> News<I> {
    fn new(rng: rand::rngs::StdRng) -> Self {
        Self {
            latest: String::new(),
            is_new: false,
            rounds: Rounds::new(),
            rng,
        }
    }

    fn learn(&mut self, heard: String) {
        if heard > self.latest {
            (self.latest, self.is_new) = (heard, true);
        }
    }
}

impl<I: Clone + Eq + Hash + Debug> Protocol for News<I> {
    type Id = I;
    type Request = String;
    type Response = String;
    type Event = String;

    /// Once per period, after an exchange of the sampler, this node tells that partner the latest.
    fn poll_exchange(
        &mut self,
        peers: &mut impl Peers<I>,
        now: Time,
    ) -> Option<Exchange<I, String>> {
        self.rounds
            .begin_if_due(now, &Pace::every(PERIOD), &mut self.rng);
        let partner = peers.next_exchanged()?;
        if !self.rounds.take_turn() {
            return None;
        }
        Some(Exchange {
            // There is one exchange per round, so the round identifies it.
            id: ExchangeId::new(self.rounds.round()?.get()),
            partner,
            request: self.latest.clone(),
        })
    }

    /// The partner keeps the later of the two texts, and answers with it.
    fn handle_request(&mut self, _: &I, request: String, _: Time) -> Option<String> {
        self.learn(request);
        Some(self.latest.clone())
    }

    /// A late answer is welcome too, so there is no timeout, and no `InFlight`.
    fn handle_outcome(&mut self, _: ExchangeId, outcome: Result<String, Failure>, _: Time) {
        outcome.into_iter().for_each(|heard| self.learn(heard));
    }

    fn poll_event(&mut self) -> Option<String> {
        std::mem::take(&mut self.is_new).then(|| self.latest.clone())
    }

    fn next_wake(&self) -> Option<Wake> {
        Some(Wake::new(self.rounds.next_round(), "a round"))
    }
}

/// How news travel: as protobuf, within a bound.
#[derive(Debug)]
struct NewsWire;

impl wire::Protobuf for NewsWire {
    type Request = String;
    type Response = String;
    const NAME: &'static str = "news/1.0.0";
    const MOST_BYTES: usize = 64;
}

#[derive(NetworkBehaviour)]
struct Node {
    sampling: Behaviour,
    news: rider::Behaviour<News<PeerId>, NewsWire>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let todays = "2026-11-27 Everybody gossips".to_owned();
    let make = |_| News::new(rand::make_rng());
    let gossip = sampler::Config::default().with_period(PERIOD);
    let network = Network::new(1_000).with_gossip(gossip);
    let mut events = Events::with_riders(network, Random::for_view_size(30), make)?;
    events.next_round();
    events.with_rider(0, |node, _| node.learn(todays.clone()));
    for round in 1..=9 {
        events.next_round();
        let know = events.riders().filter(|(_, node)| node.latest == todays);
        println!("Simulated round {round}: {} of 1000 know", know.count());
    }

    // The first is the seed of the others; the last has the news.
    let (mut swarms, mut seed) = (Vec::new(), None);
    for _ in 0..5 {
        let config = Config::local().with_period(PERIOD).with_seeds(seed.clone());
        let keypair = Keypair::generate_ed25519();
        let sampling = Behaviour::new(&keypair, config)?;
        let (protocol, handle) = (News::new(rand::make_rng()), sampling.handle());
        let news = rider::Behaviour::new(protocol, NewsWire, handle, rider::Config::default());
        let builder = SwarmBuilder::with_existing_identity(keypair).with_tokio();
        let builder = builder.with_quic();
        let mut swarm = builder.with_behaviour(|_| Node { sampling, news })?.build();
        swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse()?)?;
        while seed.is_none() {
            swarm.select_next_some().await;
            seed = swarm.listeners().next().cloned();
        }
        swarms.push(swarm);
    }
    let news = &mut swarms[4].behaviour_mut().news;
    news.with_protocol(|node, _| node.learn(todays));
    let mut swarms = futures::stream::select_all(swarms);
    let (mut know, began) = (0, tokio::time::Instant::now());
    while know < 5 {
        if let SwarmEvent::Behaviour(NodeEvent::News(_)) = swarms.select_next_some().await {
            know += 1;
            println!("{:?}: {know} of 5 real nodes know", began.elapsed());
        }
    }
    Ok(())
}
