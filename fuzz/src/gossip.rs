//! One node: every input in any order, against a model that knows which exchanges are under way,
//! when rounds are due, and who may be in the view at which age.

mod model;
mod settings;

use std::{collections::BTreeSet, time::Duration};

use arbitrary::{Result, Unstructured};
use libp2p_peer_sampling::{
    Cyclon, Overlay, PeerSampling, Random, Selection, fuzzing,
    gossip::{
        Gossip,
        buffers::Buffers,
        config::ConfigError,
        message::{Exchange, ExchangeId, Failure, Request, Response},
    },
    view::{Descriptor, Peer},
};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

use self::{
    model::{Model, Round},
    settings::{Kind, Settings},
};
use super::host::{self, Host};

/// The node itself. Others may claim to be it.
pub const OURSELVES: u8 = 0;

type Node<O> = Gossip<Host, O, SmallRng>;

/// Gives a node the inputs that `data` names, until it ends.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    // The only error is the end of the input.
    let Ok(settings) = Settings::read(&mut input) else {
        return;
    };
    match settings.kind {
        Kind::Fixed { healer, swapper } => live(&settings, Random::new(healer, swapper), input),
        Kind::Adaptive => live(&settings, Random::adaptive(settings.view_size), input),
        Kind::Cyclon { shuffle_length } => live(&settings, Cyclon::new(shuffle_length), input),
    }
}

fn live<O: Overlay<Host> + Copy>(settings: &Settings, overlay: O, mut input: Unstructured<'_>) {
    let node = |seed| {
        let rng = SmallRng::seed_from_u64(seed);
        Gossip::new(OURSELVES, settings.config(), overlay, rng)
    };
    let made = node(settings.seed);
    assert_eq!(made.is_ok(), settings.is_valid(), "{settings:?}");
    match made {
        Ok(node) => {
            let twin = settings.with_twin.then(|| Twin(node_again(settings, overlay)));
            let mut life = Life {
                node,
                twin,
                model: Model::new(*settings),
                started: Vec::new(),
                buffers: Buffers::default(),
            };
            // The only error is the end of the input.
            while life.step(&mut input).is_ok() {}
        }
        Err(ConfigError::Overlay(_) | ConfigError::OutOfBounds { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}
