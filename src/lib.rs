//! **Gossip peer sampling for libp2p**: every node keeps a small, always fresh, uniformly random
//! view of a network of any size, at a constant cost.
//!
//! # Where to find what
//!
//! - **Start here**: [`Behaviour`] goes into the swarm, [`Config`] sets it up, [`Event`] is what it
//!   tells, [`Handle`] samples from any task, [`Record`] is a sampled peer, [`PeerSampling`] the
//!   service.
//! - **Running it**: [`Health`], [`Counters`], [`Lease`], and the repository's
//!   `docs/operations.md`.
//! - **What peers say of themselves**: [`Profile`], [`ProfileCodec`].
//! - **Bounds**: [`Limits`], [`Scope`], [`AddressPolicy`], [`Pruning`], and the `MAX_` constants.
//! - **What goes wrong**: [`ConfigError`], [`SeedError`], [`ExchangeError`], [`OutboundError`],
//!   [`InboundError`], [`MessageError`], [`RecordError`], [`ProfileError`], [`Reason`].
//! - **How a peer is chosen**: [`Selection`], [`RankedSelection`], [`Recency`], [`ZoneAware`], or a
//!   [`Mode`] of your own.
//! - **Another view**: [`overlay`], [`ranking`], [`view`], [`sampler`], and the feature
//!   `simulator`.
//! - **Other gossip on top**: [`protocols`], [`gossip`], [`rider`], [`wire`]; [`extrema`],
//!   [`round_trip`].
//!
//! # How it works
//!
//! Each node keeps a *view*: 30 to 100 *descriptors*, each a peer's signed record and an *age*.
//! Once per *round* it
//!
//! 1. picks a partner from its view, the one with the oldest descriptor for example,
//! 2. sends it a part of the view, and its own record at age 0,
//! 3. gets a part of the partner's view back,
//! 4. merges what it got into its view, and cuts the view back to its size: the *overlay* decides
//!    who stays;
//!
//! and the partner does the same with what it was sent. That is all. Views that are shuffled like
//! this become random samples of the whole network, and stay so. Dead peers age and drop out.
//! Within a few rounds newcomers are known to as many as everybody else. No node is special, not
//! even the one through which all joined (Jelasity, Voulgaris, Guerraoui, Kermarrec, van Steen,
//! *Gossip-based peer sampling*, ACM TOCS 25(3), 2007).
//!
//! Among strangers, where some peers lie, the overlay is [`Basalt`](overlay::Basalt): secret hashes
//! decide which peers stay in a view, so that nobody gains by being loud.
//! [`Config::open_internet`], the default, has it; [`Config::private_network`] and
//! [`Config::local`] have the paper's, [`Random`](overlay::Random).
//!
//! # In a swarm
//!
//! Compose a [`Behaviour`] into the swarm, give it [seeds][Config::with_seeds], and poll the swarm.
//! A few exchange partners stay connected as *neighbours*, which is what gossipsub needs. Any other
//! behaviour can dial the peers of the view by their `PeerId` alone. Other tasks read and sample
//! the view through a [`Handle`]. The README has a first example, `examples/chat.rs` a whole
//! program.
//!
//! # Without libp2p
//!
//! With `default-features = false` only the state machine is left, generic over peers, overlay and
//! random numbers, and free of I/O:
//!
//! ```
//! use std::time::Duration;
//!
//! use libp2p_peer_sampling::{overlay::Random, sampler::{Config, Sampler}, time::Time};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = |id: u32| {
//!     let config = Config::default();
//!     let overlay = Random::for_view_size(config.view_size());
//!     let mut node = Sampler::new(id, config, overlay, StdRng::seed_from_u64(id.into()))?;
//!     node.set_local(Some(id)); // how it advertises itself
//!     Ok::<_, Box<dyn std::error::Error>>(node)
//! };
//! let (mut alice, mut bob) = (node(1)?, node(2)?);
//! alice.init([2]); // Alice knows Bob; Bob knows nobody
//!
//! let now = Time::ZERO;
//! let exchange = alice.poll_round(now).ok_or("a round is due")?;
//! assert_eq!(exchange.partner, 2);
//! let response = bob.handle_request(&1, exchange.request, now);
//! alice.handle_response(exchange.id, response, now)?;
//!
//! assert!(bob.view().contains(&1));
//! # Ok(())
//! # }
//! ```
//!
//! # Three things, three places
//!
//! - the **mechanism**, [`sampler`]: exchange and merge. Push, pull or push-pull; period; fanout.
//! - the **overlay**, [`overlay`]: which peers survive a merge. [`Random`](overlay::Random),
//!   [`Cyclon`](overlay::Cyclon), [`Basalt`](overlay::Basalt), or your own.
//! - the **sampling service**, [`PeerSampling`]: hands peers out of the view that an overlay keeps,
//!   in the modes of that overlay.
//!
//! # Other gossip protocols
//!
//! Any gossip protocol can ride on the sampler: [`protocols`] says how to write one. In the crate
//! are [`extrema`], the minimum and maximum of a value over the network, and [`round_trip`], how
//! long exchanges with other peers take.
//!
//! # What a panic would mean
//!
//! A bug. No input from the network may cause one, and no public function panics on any argument.
//! [`Behaviour::new`] panics when the operating system has no random numbers.
//!
//! # Features
//!
//! - `swarm`, on by default: the libp2p part.
//! - `secp256k1`, `ecdsa`: keys of these types, beside Ed25519's, for this node's own identity and
//!   to verify the records of others.
//! - `simulator`: the same state machines by the million in one process.
// Without the feature there is nothing to link to.
#![cfg_attr(not(feature = "swarm"), allow(rustdoc::broken_intra_doc_links))]
#![warn(missing_docs, unreachable_pub)]

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gossip;
pub mod peer;
#[cfg(feature = "swarm")]
mod riders {
    pub(crate) mod extrema;
    pub(crate) mod round_trip;
}
mod sampling;
#[doc = include_str!("protocols.md")]
pub mod protocols {
    pub(crate) mod extrema;
    pub(crate) mod round_trip;
}
#[cfg(feature = "simulator")]
pub mod simulator;
#[cfg(feature = "swarm")]
mod swarm;
pub mod time;

pub use sampling::{
    PeerSampling,
    mode::{
        Known, Mode,
        ranked::RankedSelection,
        recency::Recency,
        selection::Selection,
        zone::{ZoneAware, ZoneError},
    },
    static_peers::StaticPeers,
};

/// The crate `rand`, of the version whose `Rng` overlays and [`sampler::Sampler`] take.
pub use rand;

/// Overlays: which peers stay in a view.
pub mod overlay {
    pub use crate::sampling::overlay::{
        Choice, Outcome, Overlay, OverlayError,
        any::{AnyOverlay, OverlayKind},
        basalt::{Basalt, Ranking},
        cyclon::Cyclon,
        exchange::{Merge, Outgoing, Side},
        random::Random,
        ranked::Ranked,
    };
}

/// Distances, for [`overlay::Ranked`]: which peers are near, and so which topology comes of it.
pub mod ranking {
    pub use crate::sampling::overlay::ranked::{
        coordinates::Proximity,
        distance::Distance,
        hashed::{place, place_of},
        labels::Zones,
        order::MAX_SIDES,
        ring::{Ring, SortedRing},
        round_trips::RoundTripTimes,
        similarity::Similarity,
        xor::Xor,
    };
}

/// The peer sampling state machine, without I/O.
pub mod sampler {
    pub use crate::sampling::sampler::{
        Sampler,
        config::{Config, ConfigError, Diversity, PartnerSelection, Propagation},
        exchange::{Failed, UnknownExchange},
        message::{Request, Response},
    };
}

/// The partial view, and what an overlay does with it.
pub mod view {
    pub use crate::sampling::view::{Descriptor, View};
}

/// The network behaviour of any gossip protocol that rides on the sampler: see
/// [`protocols`].
#[cfg(feature = "swarm")]
pub mod rider {
    pub use crate::swarm::rider::{Behaviour, config::Config};
}

/// Extremes: the smallest and the largest value in the network, as every node knows them.
///
/// [`Extrema`](extrema::Extrema) is the protocol, without I/O, and `extrema::Behaviour` the same in
/// a swarm. The protocol's page says what a liar can do to it, and what becomes of values that are
/// gone.
pub mod extrema {
    pub use crate::protocols::extrema::{
        Event, Extrema, Extremes, MAX_JUMP, Message,
        config::{Config, ConfigError, NotANumber},
    };
    #[cfg(feature = "swarm")]
    pub use crate::riders::extrema::{Behaviour, ExtremaWire};
}

/// Round-trip times: how far away other peers are, as every node measures it for itself.
///
/// [`RoundTrip`](round_trip::RoundTrip) is the protocol, without I/O, and `round_trip::Behaviour`
/// the same in a swarm. The protocol's page says what a measurement means, and what a liar can do
/// to it.
pub mod round_trip {
    pub use crate::protocols::round_trip::{
        Event, Measured, Ping, Pong, RoundTrip,
        config::{Config, ConfigError},
        histogram::Histogram,
    };
    #[cfg(feature = "swarm")]
    pub use crate::riders::round_trip::{Behaviour, RoundTripWire};
}

/// The messages, as prost sees them.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use swarm::generated as pb;
#[cfg(feature = "swarm")]
pub use swarm::{
    address::{
        Scope,
        policy::{AddressPolicy, NotAdmitted},
    },
    counters::{Counters, Reason},
    exchanger::{error::ExchangeError, pruning::Pruning},
    handle::{
        Handle,
        services::{LocalSampling, NextPeer, WaitingSampling},
        streams::{BehaviourGone, FreshSamples, Joined, Samples},
    },
    handler::{InboundError, OutboundError, connection::Handler},
    limits::{
        Limits, LimitsError, MAX_ADDRESSES, MAX_DESCRIPTORS, MAX_MESSAGE_BYTES, MAX_PROFILE_BYTES,
        MAX_RECORD_BYTES,
    },
    node::{
        budget::NotDialled,
        leases::{Lease, LeasePurpose},
        strain::Health,
    },
    record::{
        Record,
        error::RecordError,
        profile::{Profile, ProfileCodec, ProfileError},
    },
    sampling::{
        behaviour::{Behaviour, Restored},
        config::{Config, IntoOverlay, PROTOCOL_NAME, check::ConfigError},
        event::{Direction, Event, Isolated, NeighbourDownReason, NotAdvertising, SeedError},
    },
    wire::MessageError,
};

/// What a gossip protocol of one's own needs to go over a network.
#[cfg(feature = "swarm")]
pub mod wire {
    pub use crate::swarm::wire::{Wire, decode, encode, protobuf::Protobuf};
}

/// The README's example, compiled.
#[cfg(all(doctest, feature = "swarm"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs to compose, compiled.
#[cfg(all(doctest, feature = "swarm"))]
#[doc = include_str!("../docs/composing.md")]
struct Composing;
