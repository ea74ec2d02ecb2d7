//! What the behaviour tells the application.

use std::{error::Error as StdError, fmt, io, time::Duration};

use libp2p_allow_block_list::{Blocked, NotAllowed};
use libp2p_core::{Multiaddr, transport::TransportError};
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionDenied, ConnectionId, DialError};
use thiserror::Error;

use crate::{
    gossip::Failure,
    swarm::{
        address::{Scope, Target, policy::NotAdmitted, relay_of, split_peer},
        handler::{InboundError, OutboundError},
    },
};

/// An event of the [`Behaviour`](crate::Behaviour). None of them calls for an answer: the behaviour
/// has done already what there is to do.
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
    /// An exchange with the peer has succeeded, and it was *found* at these addresses of its own signed
    /// record: this node has dialled it there, or it came, without a relay, from the host that they
    /// name. Comes before the [`Exchanged`](Self::Exchanged), and after each address was told to the other
    /// behaviours of the swarm (`FromSwarm::NewExternalAddrOfPeer`), once.
    ///
    /// Only what was not told before; all again when the peer has failed, said goodbye, was
    /// [removed](crate::Behaviour::remove) or displaced by some 500 later ones, and is met again. A peer that does not
    /// advertise itself, or whose address nobody has seen it at, is in no such event.
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
        /// Whether the peer left the view for it. If not, the view is as it was.
        removed: bool,
    },
    /// An exchange that a peer started came to nothing. The connection stays. Told once a minute for
    /// each peer where it may be one of very many: see [`InboundError`].
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
    /// This node takes part and nobody will hear of it: none of its addresses may be advertised.
    /// Said once each time it becomes so, also as a warning by `tracing`.
    NotAdvertising(NotAdvertising),
    /// This node has known nobody for 10 s: its view is empty, and it has no neighbour. Said again
    /// every 5 minutes while that stays so, also as a warning by `tracing`. The first node of a
    /// network is told, too, until somebody joins by it.
    Isolated(Isolated),
    /// The behaviour was built with another keypair than its swarm's, so nobody can dial this node
    /// by its record. From now on the record is not advertised. This is an error in the program,
    /// told once, also as an error by `tracing`. It is noticed only when the swarm shows its id: it
    /// has dialled itself, or listens at a relay. To find out in any case, compare
    /// [`Behaviour::local_peer_id`](crate::Behaviour::local_peer_id).
    WrongKeypair {
        /// The id of the keypair that signs the record.
        signer: PeerId,
        /// The id of the swarm.
        swarm: PeerId,
    },
    /// A record has room for [`MAX_ADDRESSES`](crate::MAX_ADDRESSES), and this node has more
    /// addresses that it may advertise. Said once each time that others are left out, also as a
    /// warning by `tracing`. If the wrong ones are: [`Config::with_address_filter`] keeps addresses
    /// out, so that there is room for others.
    ///
    /// [`Config::with_address_filter`]: crate::Config::with_address_filter
    AddressesLeftOut {
        /// What is advertised, the best first, without this node's id at the end.
        advertised: Vec<Multiaddr>,
        /// What is left out, without this node's id at the end.
        left_out: Vec<Multiaddr>,
    },
    /// [`Behaviour::leave`](crate::Behaviour::leave) is done: goodbye was said to every connected
    /// peer that would hear it.
    Left,
}

/// Why nobody will hear of this node. As text: what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotAdvertising {
    /// The scope that is set.
    pub scope: Scope,
    /// The node's addresses, without its id at their end, and what speaks against each. Empty when
    /// it listens nowhere any more.
    pub addresses: Vec<(Multiaddr, NotAdmitted)>,
}

/// For how long this node has known nobody, and what it has tried. As text: what can be done about
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Isolated {
    /// For how long.
    pub lasting: Duration,
    /// How many seeds it has, in seeds.
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
            return f.write_str("it has no address: it listens nowhere");
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

/// Why an exchange that this node started came to nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The peer could not be reached under any address. It leaves the view.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// This node has no network, or no means to use it: no permission, no free socket. That says
    /// nothing about the peer; the view is as it was.
    #[error("this node has no network: {0}")]
    Offline(String),
    /// Somebody has answered where the peer is, and the handshake failed; from another port, too.
    /// So it does where both have dialled each other at the same moment. The peer leaves the view,
    /// without blame.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// Another behaviour of this swarm refused the connection, for its limits perhaps. Caused by
    /// this node; the view is as it was. The round makes its exchange with somebody who is connected
    /// already instead.
    #[error("refused by this node: {0}")]
    Refused(String),
    /// The peer is on a block list of this swarm, or not on its allow list
    /// (`libp2p-allow-block-list`). Caused by this node; the peer leaves the view and the contacts, and for
    /// the time of a first quarantine, a minute at least, it is not taken in again.
    #[error("blocked by this node")]
    Blocked,
    /// This node would not dial it. Caused by this node, or by whoever gives away addresses that are
    /// not their own: nothing is known about the peer. With [`NotDialled::Budget`] the view is as it
    /// was; otherwise the peer leaves it.
    #[error("not dialled: {0}")]
    NotDialled(#[from] NotDialled),
    /// The peer closed the connection before it said anything: it is at a limit of its own, does not want this
    /// node, or had connected for something else. Caused by the peer; the view is as it was, and others
    /// come before it from now on.
    #[error("the peer closed the connection before it said anything")]
    TurnedAway,
    /// The peer is behind a relay that carries as many circuits as it will, or has carried as many for this node. That says
    /// nothing about the peer, which leaves the view all the same, without blame: whoever makes up peers could have such
    /// a relay of their own, and nobody can tell.
    #[error("its relay carries as many circuits as it will: {0}")]
    RelayFull(String),
    /// The connection closed before the answer came; the next one too, and the third, if there was a way to the
    /// peer still.
    #[error("the connection closed before the answer came")]
    ConnectionClosed,
    /// No answer within the exchange time-out, dialling included.
    #[error("no answer within the exchange time-out")]
    Timeout,
    /// There was a connection, and the exchange on it failed.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

/// Why this node would not dial a peer of its view. Nobody was dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum NotDialled {
    /// As many dials have been made for exchanges as one minute may have; see
    /// [`Limits::dials_per_minute`](crate::Limits::dials_per_minute).
    #[error("as many dials have been made as one minute may have")]
    Budget,
    /// Its addresses, or others of their networks, have been dialled in vain as often as one hour
    /// may have it, or so shortly ago that it is too early to try again: for this peer, or for
    /// others who are said to have the same; see
    /// [`Limits::dials_per_address`](crate::Limits::dials_per_address).
    #[error("its addresses or their networks have been dialled in vain too often")]
    InVain,
    /// All its addresses are this node's own.
    #[error("its addresses are this node's own")]
    Ourselves,
    /// This swarm has no transport for any of its addresses.
    #[error("this swarm has no transport for its addresses")]
    NoTransport,
    /// No behaviour of this swarm knows an address of it.
    #[error("nobody here knows an address of it")]
    NoAddress,
}

impl ExchangeError {
    /// What the error says about the partner.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Unreachable(_) => Failure::Unreachable,
            Self::NotDialled(NotDialled::Ourselves) => Failure::Unreachable,
            Self::NotDialled(_)
            | Self::Offline(_)
            | Self::Handshake(_)
            | Self::Refused(_)
            | Self::Blocked
            | Self::TurnedAway
            | Self::RelayFull(_)
            | Self::Outbound(OutboundError::Busy | OutboundError::NotServed) => Failure::Refused,
            Self::Outbound(OutboundError::Unsupported(_)) => Failure::Unsupported,
            Self::ConnectionClosed
            | Self::Timeout
            | Self::Outbound(OutboundError::Timeout | OutboundError::Message(_)) => Failure::Broken,
        }
    }
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

/// Whether it is the peer that a connection was denied for, and not the moment.
pub(super) fn is_blocked(cause: &ConnectionDenied) -> bool {
    let blocked = cause.downcast_ref::<Blocked>().is_some();
    blocked || cause.downcast_ref::<NotAllowed>().is_some()
}

/// The text of a dial error in one line: for each address its innermost cause, since libp2p's own
/// text repeats every layer's.
pub(super) fn one_line(error: &DialError) -> String {
    let text = match error {
        DialError::Denied { cause } => innermost(cause),
        DialError::Transport(attempts) => attempts
            .iter()
            .map(|(address, error)| format!("{address}: {}", innermost(error)))
            .collect::<Vec<_>>()
            .join("; "),
        _ => error.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a failed attempt to dial an address says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Nobody has answered there.
    InVain,
    /// Somebody has answered there, and then the handshake has failed. So it does, too, where both
    /// ends dial each other at the same moment from the ports that they listen on: TCP makes one
    /// connection of the two, and each end takes itself for the dialler.
    Handshake,
    /// This machine has no way there, or no means: no network, no permission, no free socket.
    Offline,
    /// This swarm has no transport for it.
    NoTransport,
}

/// What the failed attempts of one dial say, in their order. Where one of two at the same host has
/// met no network, the other met none either: QUIC notices only that nobody answers.
pub(super) fn attempts(tried: &[(Multiaddr, TransportError<io::Error>)]) -> Vec<Attempt> {
    let host = |address: &Multiaddr| Target::of(address).map(|target| target.host());
    let attempt = |(address, error): &(Multiaddr, TransportError<io::Error>)| match error {
        TransportError::MultiaddrNotSupported(_) => Attempt::NoTransport,
        // Whatever a relay answers, it has not reached the peer.
        TransportError::Other(error) if is_handshake(error) => match relay_of(address) {
            Some(_) => Attempt::InVain,
            None => Attempt::Handshake,
        },
        TransportError::Other(error) if is_offline(error) => Attempt::Offline,
        TransportError::Other(_) => Attempt::InVain,
    };
    let mut attempts: Vec<_> = tried.iter().map(attempt).collect();
    let at = tried.iter().map(|(address, _)| host(address));
    let at: Vec<_> = at.zip(attempts.iter().copied()).collect();
    for (number, (here, attempt)) in at.iter().enumerate() {
        let offline = at.contains(&(*here, Attempt::Offline));
        if offline && *attempt == Attempt::InVain {
            attempts[number] = Attempt::Offline;
        }
    }
    attempts
}

/// Whether nothing has left this machine towards `address`, which has no peer at its end: there is
/// no transport for it, or no network.
pub(super) fn never_left(error: &DialError, address: &Multiaddr) -> bool {
    let DialError::Transport(tried) = error else {
        return false;
    };
    let mut tried = tried.iter().zip(attempts(tried));
    tried.any(|((tried, _), attempt)| {
        let unmade = matches!(attempt, Attempt::Offline | Attempt::NoTransport);
        split_peer(tried).0 == *address && unmade
    })
}

/// Whether all that was tried were relays, and one of them has said that it carries as many circuits as it
/// will. libp2p-relay's error has a kind for that, which only those who depend on it can match on; `tests/nat.rs` holds
/// the wording.
pub(super) fn is_relay_full(attempts: &[(Multiaddr, TransportError<io::Error>)]) -> bool {
    let relayed = |(address, _): &(Multiaddr, _)| relay_of(address).is_some();
    let full = |(_, error): &(_, TransportError<io::Error>)| {
        innermost(error).contains("resource limit exceeded")
    };
    attempts.iter().all(relayed) && attempts.iter().any(full)
}

/// Whether a connection was made, and no secure channel came of it. Only libp2p's text says so: a
/// test holds it.
fn is_handshake(error: &io::Error) -> bool {
    let text = error.to_string();
    text.contains("Handshake failed") || text.contains("Multistream select failed")
}

/// Whether the cause of a failed dial is this machine. Transports wrap errors in errors, and some
/// wrappers, `Either` among them, hide the innermost error from a walk down by `source`. But its
/// text shows through all of them, with the operating system's code in it.
fn is_offline(error: &io::Error) -> bool {
    let mut error: &(dyn StdError + 'static) = error;
    loop {
        let typed = error.downcast_ref::<io::Error>();
        let code = os_code(&error.to_string());
        let coded = code.map(io::Error::from_raw_os_error);
        if typed.is_some_and(is_local) || coded.is_some_and(|error| is_local(&error)) {
            return true;
        }
        // A wrapped error is shown by the wrapper, not as its source.
        let wrapped = typed.and_then(|error| {
            let inner: &(dyn StdError + 'static) = error.get_ref()?;
            Some(inner)
        });
        match wrapped.or_else(|| error.source()) {
            Some(inner) => error = inner,
            None => return false,
        }
    }
}

/// The operating system's code in the text of an error, as `std::io::Error` writes it.
fn os_code(text: &str) -> Option<i32> {
    let (_, rest) = text.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

/// Whether the cause is this machine: its network, its permissions, its sockets.
fn is_local(error: &io::Error) -> bool {
    // Too many open files, of this process or of all; no kind says so.
    const NO_SOCKET: [i32; 3] = [23, 24, 10_024];

    let local = matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::AddrInUse
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::OutOfMemory
    );
    let code = error.raw_os_error();
    local || code.is_some_and(|code| NO_SOCKET.contains(&code))
}

fn innermost(mut error: &(dyn StdError + 'static)) -> String {
    let mut text = format!("{error:?}");
    loop {
        let layer = error.to_string();
        if !layer.trim().is_empty() {
            text = layer;
        }
        match error.source() {
            Some(source) => error = source,
            None => return text,
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
    /// It was a neighbour for longest, and gave way to a fresh one: see
    /// [`Config::with_neighbour_rotation`](crate::Config::with_neighbour_rotation).
    Rotated,
    /// It has not answered: neither an exchange in time, nor twice in a row whether it is still a
    /// neighbour. Its process may be stopped, or the way to it lost.
    Unresponsive,
    /// The application has removed it: see [`Behaviour::remove`](crate::Behaviour::remove).
    Removed,
    /// It said goodbye.
    Goodbye,
    /// This node said goodbye.
    Leaving,
}

#[cfg(test)]
mod tests;
