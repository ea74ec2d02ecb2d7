//! What the errors of a failed dial say: about the peer, about a relay, or about this machine.

use std::{error::Error as StdError, io};

use libp2p_allow_block_list::{Blocked, NotAllowed};
use libp2p_core::{Multiaddr, transport::TransportError};
use libp2p_swarm::{ConnectionDenied, DialError};

use crate::swarm::address::{Target, relay_of, split_peer};

/// Whether it is the peer that a connection was denied for, and not the moment.
pub(crate) fn is_blocked(cause: &ConnectionDenied) -> bool {
    let blocked = cause.downcast_ref::<Blocked>().is_some();
    blocked || cause.downcast_ref::<NotAllowed>().is_some()
}

/// The text of a dial error in one line: for each address its innermost cause, since libp2p's own
/// text repeats every layer's. The address stands before it only where there were more than one: a
/// caller names a single one itself.
pub(crate) fn one_line(error: &DialError) -> String {
    let text = match error {
        DialError::Denied { cause } => innermost(cause),
        DialError::Transport(attempts) if attempts.len() == 1 => innermost(&attempts[0].1),
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
pub(crate) enum Attempt {
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
pub(crate) fn attempts(tried: &[(Multiaddr, TransportError<io::Error>)]) -> Vec<Attempt> {
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
pub(crate) fn never_left(error: &DialError, address: &Multiaddr) -> bool {
    let DialError::Transport(tried) = error else {
        return false;
    };
    let mut tried = tried.iter().zip(attempts(tried));
    tried.any(|((tried, _), attempt)| {
        let unmade = matches!(attempt, Attempt::Offline | Attempt::NoTransport);
        split_peer(tried).0 == *address && unmade
    })
}

/// Whether all that was tried were relays, and one of them has said that it carries as many
/// circuits as it will. libp2p-relay's error has a kind for that, which only crates that depend on
/// it can match on; `tests/nat.rs` holds the wording.
pub(crate) fn is_relay_full(attempts: &[(Multiaddr, TransportError<io::Error>)]) -> bool {
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

#[cfg(test)]
mod tests;
