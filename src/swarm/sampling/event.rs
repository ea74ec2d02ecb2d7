//! What the behaviour tells the application.

use std::{fmt, time::Duration};

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, DialError};
use thiserror::Error;

use crate::swarm::{
    address::{Scope, policy::NotAdmitted},
    exchanger::{
        attempts::{is_blocked, one_line},
        error::ExchangeError,
    },
    handler::InboundError,
    node::strain::Health,
};

/// An event of the [`Behaviour`](crate::Behaviour). None of them calls for an answer: the behaviour
/// has already done what there is to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// An exchange has ended well: both views are merged. The peer is *contacted*: libp2p has
    /// authenticated it, and it answers.
    Exchanged {
        /// The peer.
        peer: PeerId,
        /// Who started it.
        direction: Direction,
        /// How many descriptors came from the peer, in descriptors.
        received: usize,
        /// How many peers the view holds now.
        view_len: usize,
    },
    /// An exchange with the peer has succeeded, and it was *found* at these addresses of its own
    /// signed record. Either this node has dialled it there, or it came, without a relay, from the
    /// host that they name. Comes before the [`Exchanged`](Self::Exchanged). Before both, the other
    /// behaviours of the swarm are told of each address, once (`FromSwarm::NewExternalAddrOfPeer`).
    ///
    /// Only addresses that were not told before. All are told again if the peer is met again after
    /// it has failed, said goodbye, was [removed](crate::Behaviour::remove), or was displaced by
    /// some 500 later ones. There is no such event for a peer that does not advertise itself, or
    /// was found at none of its addresses.
    Contacted {
        /// The peer.
        peer: PeerId,
        /// Where it was found, at least one address; each ends in `/p2p/<peer>`.
        addresses: Vec<Multiaddr>,
    },
    /// An exchange that this node started came to nothing.
    ExchangeFailed {
        /// The peer.
        peer: PeerId,
        /// Why.
        error: ExchangeError,
        /// Whether the peer left the view because of it. If not, the view is as it was.
        removed: bool,
    },
    /// An exchange that a peer started came to nothing. The connection stays. Where there may be
    /// very many, it is told once a minute for each peer: see [`InboundError`].
    InboundFailed {
        /// The peer.
        peer: PeerId,
        /// The connection.
        connection_id: ConnectionId,
        /// Why.
        error: InboundError,
    },
    /// A seed could not be used. Unless it is this node itself or no address at all, it is tried
    /// again when the view is empty.
    SeedFailed {
        /// The seed, as it was given.
        address: Multiaddr,
        /// Why.
        error: SeedError,
    },
    /// The peer is a neighbour from now on: both ends keep the connection.
    NeighbourUp {
        /// The peer.
        peer: PeerId,
    },
    /// The peer is no longer a neighbour.
    NeighbourDown {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: NeighbourDownReason,
    },
    /// The peer is a *target* from now on: the overlay ranks it among the first K of the view, and
    /// this node has made an exchange with it. Only ranked overlays have targets
    /// ([`Ranked`](crate::overlay::Ranked)). A connection to it is kept if it agrees:
    /// [`Event::NeighbourUp`].
    TargetUp {
        /// The peer.
        peer: PeerId,
    },
    /// The peer is a target no longer: others are ranked before it, or it is gone.
    TargetDown {
        /// The peer.
        peer: PeerId,
    },
    /// This node takes part, but others never hear of it: none of its addresses may be advertised,
    /// or it has not begun to listen within 10 s.
    /// Said once each time this begins, also as a warning by `tracing`.
    NotAdvertising(NotAdvertising),
    /// This node has known nobody for 10 s: its view is empty, and it has no neighbour. Said again
    /// every 5 minutes while that stays so, also as a warning by `tracing`. The first node of a
    /// network is told, too, until another joins through it.
    Isolated(Isolated),
    /// The behaviour was built with another keypair than its swarm's, so nobody can dial this node
    /// by its record. From now on the record is not advertised. This is an error in the program,
    /// told once, also as an error by `tracing`. It is noticed only when the swarm shows its id:
    /// when it has dialled itself, or listens at a relay. To find out in any case, compare
    /// [`Behaviour::local_peer_id`](crate::Behaviour::local_peer_id).
    WrongKeypair {
        /// The id of the keypair that signs the record.
        signer: PeerId,
        /// The id of the swarm.
        swarm: PeerId,
    },
    /// This node may advertise more addresses than the [`MAX_ADDRESSES`](crate::MAX_ADDRESSES) that
    /// a record has room for. Said once each time that others are left out, also as a warning by
    /// `tracing`. If the wrong ones are left out, [`Config::with_address_filter`] can make room for
    /// others.
    ///
    /// [`Config::with_address_filter`]: crate::Config::with_address_filter
    AddressesLeftOut {
        /// What is advertised, the best first, without this node's id at the end.
        advertised: Vec<Multiaddr>,
        /// What is left out, without this node's id at the end.
        left_out: Vec<Multiaddr>,
    },
    /// The node's health has changed: it has too much to do now, or can again do what it is set to.
    /// Said once for each change, but not when only the slowdown changes; see
    /// [`Handle::health`](crate::Handle::health). Becoming overloaded is a warning by `tracing`,
    /// too.
    Health(Health),
    /// [`Behaviour::leave`](crate::Behaviour::leave) is done: goodbye was said to every connected
    /// peer that would hear it.
    Left,
}

impl Event {
    /// [`Event::Contacted`], with the peer at the end of its addresses.
    pub(crate) fn contacted(peer: PeerId, addresses: Vec<Multiaddr>) -> Self {
        let full = |address: Multiaddr| address.with(Protocol::P2p(peer));
        let addresses = addresses.into_iter().map(full).collect();
        Self::Contacted { peer, addresses }
    }
}

/// Why others never hear of this node. Its text says what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotAdvertising {
    /// The scope that is set.
    pub scope: Scope,
    /// The node's addresses, without its id at their end, and what speaks against each. Empty when
    /// it listens nowhere.
    pub addresses: Vec<(Multiaddr, NotAdmitted)>,
}

/// For how long this node has known nobody, and what it has tried. Its text says what can be done
/// about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Isolated {
    /// For how long.
    pub lasting: Duration,
    /// How many seeds it has.
    pub seeds: usize,
    /// The seed that has failed last since then, and why; `None`: none has, so far.
    pub last_failure: Option<String>,
}

impl fmt::Display for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, seeds) = (self.lasting.as_secs(), self.seeds);
        write!(f, "this node has known no other for {seconds}s")?;
        match seeds {
            0 => f.write_str(
                ", and it has no seeds: it only joins when others connect to it. See \
                 Config::with_seeds and Behaviour::init; on a LAN, add mDNS",
            )?,
            1 => f.write_str(": its only seed has not let it join")?,
            _ => write!(f, ": none of its {seeds} seeds has let it join")?,
        }
        match &self.last_failure {
            Some(failure) if seeds > 0 => write!(f, ". The latest failure: {failure}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for NotAdvertising {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no other node will hear of this one, since ")?;
        if self.addresses.is_empty() {
            return f.write_str("it has no address: it listens nowhere. See Swarm::listen_on");
        }
        f.write_str("none of its addresses may be advertised: ")?;
        for (number, (address, reason)) in self.addresses.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{address} {}{reason}", verb(*reason))?;
        }
        Ok(())
    }
}

fn verb(reason: NotAdmitted) -> &'static str {
    match reason {
        NotAdmitted::Scope(_) => "",
        _ => "is ",
    }
}

/// Who started an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

/// Why a seed could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeedError {
    /// The seed is this node itself. Said once; one that names this node's `PeerId` is forgotten.
    #[error("the seed is this node itself")]
    Ourselves,
    /// The seed names no transport to dial: a bare `/p2p/<peer>`, for example. It is forgotten.
    #[error("the seed is no address that could be dialled")]
    NotAnAddress,
    /// More seeds than a node keeps. This one is forgotten.
    #[error("more than {max} seeds")]
    TooMany {
        /// How many are kept.
        max: usize,
    },
    /// Another peer than the one named in the seed answers there.
    #[error("another peer answers there: {0}")]
    WrongPeer(PeerId),
    /// Nobody could be reached there.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Nobody answered in time.
    #[error("no answer within the exchange time-out")]
    Timeout,
    /// There is a peer, and the exchange with it failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl From<&DialError> for SeedError {
    fn from(error: &DialError) -> Self {
        match error {
            // The swarm strikes out the addresses that it listens on, and a seed's dial has one.
            DialError::LocalPeerId { .. } | DialError::NoAddresses => Self::Ourselves,
            DialError::WrongPeerId { obtained, .. } => Self::WrongPeer(*obtained),
            DialError::Denied { cause } if is_blocked(cause) => {
                Self::Exchange(ExchangeError::Blocked)
            }
            DialError::Denied { .. } | DialError::Aborted => {
                Self::Exchange(ExchangeError::Refused(one_line(error)))
            }
            _ => Self::Unreachable(one_line(error)),
        }
    }
}

/// Why a peer is no longer a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NeighbourDownReason {
    /// The last connection to it closed.
    ConnectionClosed,
    /// The peer keeps the connection no longer: this node gave way to another there.
    Dissolved,
    /// It gave way to a peer that was short of neighbours.
    Replaced,
    /// The overlay ranks others before it, at both ends; or it gave way to one of those.
    Outranked,
    /// It was a neighbour for longest, and gave way to a fresh one: see
    /// [`Config::with_neighbour_rotation`](crate::Config::with_neighbour_rotation).
    Rotated,
    /// It answered neither an exchange in time, nor, twice in a row, whether it is still a
    /// neighbour. Its process may be stopped, or the way to it lost.
    Unresponsive,
    /// The application has removed it: see [`Behaviour::remove`](crate::Behaviour::remove).
    Removed,
    /// It said goodbye.
    Goodbye,
    /// This node said goodbye.
    Leaving,
}

impl fmt::Display for NeighbourDownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionClosed => "its last connection closed",
            Self::Dissolved => "it keeps the connection no longer",
            Self::Replaced => "it gave way to a peer that was short of neighbours",
            Self::Outranked => "others are ranked before it",
            Self::Rotated => "it gave way to a fresh one",
            Self::Unresponsive => "it does not answer",
            Self::Removed => "the application has removed it",
            Self::Goodbye => "it said goodbye",
            Self::Leaving => "this node is leaving",
        })
    }
}
