//! How the causes of failed dials are told apart.

use libp2p_identity::PeerId;
use thiserror::Error;

use super::*;

fn tried(address: &str, error: io::Error) -> (Multiaddr, TransportError<io::Error>) {
    let address = address.parse().expect("a multiaddr");
    (address, TransportError::Other(error))
}

#[test]
fn causes_on_this_machine_are_told_from_peers_that_do_not_answer() {
    use io::ErrorKind::{
        AddrInUse, AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown,
        NetworkUnreachable, OutOfMemory, PermissionDenied, TimedOut,
    };

    let home = "/ip4/1.2.3.4/tcp/1";
    let one = |error| attempts(&[tried(home, error)])[0];
    for kind in [
        NetworkUnreachable,
        NetworkDown,
        AddrNotAvailable,
        AddrInUse,
        PermissionDenied,
        OutOfMemory,
    ] {
        assert_eq!(one(kind.into()), Attempt::Offline, "{kind:?}");
    }
    // A network on the way may say so, too.
    for kind in [ConnectionRefused, TimedOut, HostUnreachable] {
        assert_eq!(one(kind.into()), Attempt::InVain, "{kind:?}");
    }
    for code in [23, 24] {
        let no_socket = io::Error::from_raw_os_error(code);
        let wrapped = io::Error::other(no_socket);
        assert_eq!(one(wrapped), Attempt::Offline, "too many open files");
    }
    let other = |text: &str| one(io::Error::other(text.to_owned()));
    assert_eq!(other("Timeout has been reached"), Attempt::InVain, "libp2p");
    let quic = "Handshake with the remote timed out.";
    assert_eq!(other(quic), Attempt::InVain);
    assert_eq!(other("No listener on the given port."), Attempt::InVain);
    let address: Multiaddr = home.parse().expect("a multiaddr");
    let unknown = TransportError::MultiaddrNotSupported(address.clone());
    assert_eq!(attempts(&[(address, unknown)]), [Attempt::NoTransport]);
}

/// As `either::Either`, of which transports that are put together make their errors: it shows
/// what it wraps, and passes over it when it is asked for its source.
#[derive(Debug, Error)]
#[error("{0}")]
struct Either(io::Error);

#[test]
fn the_cause_is_seen_through_wrappers_that_hide_it() {
    let home = "/ip4/1.2.3.4/tcp/1";
    let code = |kind| {
        let codes = (1..200).map(io::Error::from_raw_os_error);
        let mut known = codes.filter(|error| error.kind() == kind);
        known.next().expect("this system has a code for it")
    };
    for (kind, expected) in [
        (io::ErrorKind::NetworkUnreachable, Attempt::Offline),
        (io::ErrorKind::ConnectionRefused, Attempt::InVain),
    ] {
        let hidden = io::Error::other(Either(io::Error::other(Either(code(kind)))));
        assert_eq!(attempts(&[tried(home, hidden)]), [expected], "{kind:?}");
    }
}

/// libp2p's text, which `tests/outage.rs` holds.
#[test]
fn a_failed_handshake_is_told_from_a_failed_connection() {
    let home = "/ip4/1.2.3.4/tcp/1";
    let failed = |text: &str| io::Error::other(Either(io::Error::other(text.to_owned())));
    let handshake = || failed("Handshake failed");
    assert_eq!(attempts(&[tried(home, handshake())]), [Attempt::Handshake]);
    let refused = failed("Transport error: Connection refused (os error 111)");
    assert_eq!(attempts(&[tried(home, refused)]), [Attempt::InVain]);
    let relay = format!("{home}/p2p/{}/p2p-circuit", PeerId::random());
    assert_eq!(attempts(&[tried(&relay, handshake())]), [Attempt::InVain]);
    // Somebody was knocked at: that counts.
    let address = home.parse().expect("a multiaddr");
    let error = DialError::Transport(vec![tried(home, handshake())]);
    assert!(!never_left(&error, &address));
}

/// QUIC does not notice that there is no network: nobody answers, and that is all.
#[test]
fn a_host_without_a_way_to_it_is_out_of_reach_on_every_transport() {
    let tried = [
        tried("/ip4/1.2.3.4/udp/1/quic-v1", io::ErrorKind::TimedOut.into()),
        tried(
            "/ip4/1.2.3.4/tcp/1",
            io::ErrorKind::NetworkUnreachable.into(),
        ),
        tried("/ip6/2606:4700::1/tcp/1", io::ErrorKind::TimedOut.into()),
    ];
    let expected = [Attempt::Offline, Attempt::Offline, Attempt::InVain];
    assert_eq!(attempts(&tried), expected);
}

#[test]
fn dial_that_never_left_this_machine_is_recognised() {
    let address: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
    let full = address.clone().with_p2p(PeerId::random());
    let full = full.expect("no peer yet");
    let failed = |error| DialError::Transport(vec![(full.clone(), error)]);
    let io = |kind| TransportError::Other(io::Error::from(kind));
    let wrapped = |kind| {
        let wrapped = io::Error::other(io::Error::other(io::Error::from(kind)));
        TransportError::Other(wrapped)
    };
    for (error, never) in [
        (TransportError::MultiaddrNotSupported(full.clone()), true),
        (io(io::ErrorKind::NetworkUnreachable), true),
        (wrapped(io::ErrorKind::NetworkUnreachable), true),
        (io(io::ErrorKind::ConnectionRefused), false),
        (wrapped(io::ErrorKind::ConnectionRefused), false),
    ] {
        let text = format!("{error:?}");
        assert_eq!(never_left(&failed(error), &address), never, "{text}");
    }
    let other = "/ip4/1.2.3.4/tcp/2".parse().expect("a multiaddr");
    let error = failed(io(io::ErrorKind::NetworkUnreachable));
    assert!(!never_left(&error, &other));
    assert!(!never_left(&DialError::Aborted, &address));
}
