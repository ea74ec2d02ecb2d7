//! Tests of a node as a whole, by topic.

mod exchanges;
mod failures;
mod policies;
mod protocol;
mod rounds;

use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};

use crate::{
    gossip::{ExchangeId, Failure, Nobody, Protocol, in_flight::MAX_IN_FLIGHT},
    peer::Peer,
    sampling::{
        PeerSampling,
        mode::{recency::Recency, selection::Selection},
        overlay::{basalt::Basalt, random::Random},
        sampler::{
            Sampler,
            config::{Config, ConfigError, Diversity, PartnerSelection, Propagation},
            exchange::UnknownExchange,
            message::{Request, Response},
        },
        view::Descriptor,
    },
    time::{Backoff, Time},
};

type Node = Sampler<u32, Random, StdRng>;

const ROUND: Duration = Duration::from_secs(10);

fn node(id: u32, config: Config) -> Node {
    let overlay = Random::for_view_size(config.view_size());
    let rng = StdRng::seed_from_u64(u64::from(id));
    let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
    node.set_local(Some(id));
    node
}

fn config() -> Config {
    Config::default().with_view_size(10)
}

/// A node that knows 1..=10, at ages 10..=1.
fn full_node(config: Config) -> Node {
    let mut node = node(0, config);
    for peer in 1..=10 {
        node.init([peer]);
        node.members.view.increase_age();
    }
    node
}

fn empty() -> Response<u32> {
    Response {
        descriptors: Vec::new(),
    }
}
