//! Tests only: a driver, what the swarm tells it, and what it wants from the swarm.

use std::time::Duration;

use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr, multiaddr::Protocol, transport::PortUse};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, DialError, NotifyHandler, ToSwarm,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};
use rand::{SeedableRng, rngs::StdRng};
use web_time::Instant;

use crate::{
    sampling::{
        overlay::random::Random, sampler::message::Request as SamplerRequest, view::Descriptor,
    },
    swarm::{
        clock::Clock,
        handler::OutboundId,
        node::{Node, holder::Holder},
        record::Record,
        sampling::{command::Command, config::Config, driver::Driver, event::Event},
        wire::sampling::{Proposal, Request, Response},
    },
    time::Time,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn driver(config: Config) -> Driver<Random> {
    let overlay = Random::for_view_size(config.gossip().view_size());
    let rng = StdRng::seed_from_u64(1);
    Driver::new(
        holder(PeerId::random(), &config),
        &config,
        overlay,
        None,
        rng,
    )
    .expect("valid settings")
}

/// The first behaviour of a new node.
pub(crate) fn holder<K>(local: PeerId, config: &Config<K>) -> Holder {
    let gossip = config.gossip();
    let pace = (gossip.period(), gossip.quarantine());
    #[expect(
        clippy::disallowed_methods,
        reason = "a node has a clock, which drivers do not read"
    )]
    let clock = Clock::new(Instant::now());
    let node = Node::new(local, *config.limits(), pace, clock);
    Holder::join(&node, config.protocol().expect("a name"))
}

/// Lets the neighbourhood begin a round.
pub(crate) fn begin_round(driver: &mut Driver<Random>, now: Time) {
    driver.neighbourhood.begin_round(&mut driver.exchanger, now);
}

/// An address in memory.
pub(crate) fn memory(port: u64) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Memory(port))
}

/// The address of a peer where it does not matter which.
pub(crate) fn address() -> Multiaddr {
    memory(1)
}

/// The number of a connection that this behaviour has not dialled.
pub(crate) fn id(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked((1 << 41) + number)
}

/// The record of a new peer at `/memory/<port>`.
pub(crate) fn somebody(port: u64) -> Record {
    signed(&Keypair::generate_ed25519(), 1, port)
}

/// The record number `seq` of a peer at `/memory/<port>`.
pub(crate) fn signed(keypair: &Keypair, seq: u64, port: u64) -> Record {
    Record::sign(keypair, seq, &[memory(port)]).expect("signing works")
}

/// Puts `count` made-up peers into the view, all said to be at `address`.
pub(crate) fn fakes(driver: &mut Driver<Random>, count: usize, address: &Multiaddr) {
    let records = (0..count).map(|_| {
        let keypair = Keypair::generate_ed25519();
        Record::sign(&keypair, 1, std::slice::from_ref(address)).expect("signing works")
    });
    assert_eq!(driver.sampler.init(records.collect::<Vec<_>>()), count);
}

/// A request that brings `descriptors` and asks for nothing.
pub(crate) fn pushed(descriptors: Vec<Descriptor<Record>>) -> SamplerRequest<Record> {
    SamplerRequest {
        descriptors,
        pull: false,
        room: usize::MAX,
    }
}

/// An answer that says yes to a proposal.
pub(crate) fn accepted() -> Response {
    Response {
        neighbour: true,
        ..Response::empty()
    }
}

/// Gives the driver a seed.
pub(crate) fn add_seed(driver: &mut Driver<Random>, address: Multiaddr) {
    let added = driver.discovery.seeds.add(address, PeerId::random());
    added.expect("an address");
}

/// Gives the driver a seed, and returns the dial to it.
pub(crate) fn dial_seed(driver: &mut Driver<Random>, address: Multiaddr) -> ConnectionId {
    add_seed(driver, address);
    driver.advance(Time::ZERO);
    dial_of(drain(driver)).expect("the seed is dialled")
}

/// When the driver is to be woken.
pub(crate) fn wake_at(driver: &Driver<Random>) -> Option<Time> {
    Some(driver.next_wake()?.at)
}

/// All that the driver wants to be done.
pub(crate) fn drain(driver: &mut Driver<Random>) -> Vec<ToSwarm<Event, Command>> {
    std::iter::from_fn(|| driver.exchanger.keeper.actions.pop()).collect()
}

/// The first dial among what the driver wants.
pub(crate) fn dial_of(actions: Vec<ToSwarm<Event, Command>>) -> Option<ConnectionId> {
    actions.into_iter().find_map(|action| match action {
        ToSwarm::Dial { opts } => Some(opts.connection_id()),
        _ => None,
    })
}

/// The first request among what the driver wants.
pub(crate) fn request_of(actions: Vec<ToSwarm<Event, Command>>) -> Option<(OutboundId, Request)> {
    actions.into_iter().find_map(|action| match action {
        ToSwarm::NotifyHandler {
            event: Command::Request(id, request),
            ..
        } => Some((id, request)),
        _ => None,
    })
}

/// The requests among what the driver wants: on which connection, which, with what proposal.
pub(crate) fn sent(
    actions: &[ToSwarm<Event, Command>],
) -> Vec<(ConnectionId, OutboundId, Proposal)> {
    let sent = actions.iter().filter_map(|action| match action {
        ToSwarm::NotifyHandler {
            handler: NotifyHandler::One(connection),
            event: Command::Request(id, Request::Exchange { neighbour, .. }),
            ..
        } => Some((*connection, *id, *neighbour)),
        _ => None,
    });
    sent.collect()
}

/// How many connections the driver wants closed.
pub(crate) fn closes(actions: &[ToSwarm<Event, Command>]) -> usize {
    let close = |action: &&_| matches!(action, ToSwarm::CloseConnection { .. });
    actions.iter().filter(close).count()
}

/// How many connections the driver lets go of, once nothing is under way on them.
pub(crate) fn releases(actions: &[ToSwarm<Event, Command>]) -> usize {
    let release = |action: &&_| {
        matches!(
            action,
            ToSwarm::NotifyHandler {
                event: Command::NotifyIdle,
                ..
            }
        )
    };
    actions.iter().filter(release).count()
}

/// The dials that the driver wants now, each with its peer and its addresses; seeds left out.
pub(crate) fn dials(
    driver: &mut Driver<Random>,
    now: Time,
) -> Vec<(ConnectionId, PeerId, Vec<Multiaddr>)> {
    driver.advance(now);
    let wanted = drain(driver).into_iter().filter_map(|action| match action {
        ToSwarm::Dial { opts } => Some((opts.connection_id(), opts.get_peer_id()?)),
        _ => None,
    });
    let wanted: Vec<_> = wanted.collect();
    let at = |(id, peer)| (id, peer, driver.addresses_to_dial(id, Some(peer), now));
    wanted.into_iter().map(at).collect()
}

/// A dial of `peer` has failed.
pub(crate) fn dial_failed(
    driver: &mut Driver<Random>,
    peer: PeerId,
    connection_id: ConnectionId,
    error: &DialError,
    now: Time,
) {
    let failure = DialFailure {
        peer_id: Some(peer),
        error,
        connection_id,
    };
    driver.on_dial_failure(failure, now);
}

/// Lets every dial of ours end in `error`; returns the peers that were dialled, at one address or
/// more.
pub(crate) fn fail_dials(
    driver: &mut Driver<Random>,
    error: impl Fn(&PeerId) -> DialError,
    now: Time,
) -> Vec<PeerId> {
    let mut dialled = Vec::new();
    loop {
        driver.advance(now);
        let actions = drain(driver);
        if actions.is_empty() {
            return dialled;
        }
        for action in actions {
            let ToSwarm::Dial { opts } = action else {
                continue;
            };
            let (id, peer) = (opts.connection_id(), opts.get_peer_id());
            let peer = peer.expect("no seeds here");
            if !driver.addresses_to_dial(id, Some(peer), now).is_empty() {
                dialled.push(peer);
            }
            dial_failed(driver, peer, id, &error(&peer), now);
        }
    }
}

/// The error of a dial that was answered by nobody.
pub(crate) fn nobody_there(_: &PeerId) -> DialError {
    DialError::Transport(Vec::new())
}

/// The error of a dial that this swarm's connection limits have denied.
pub(crate) fn denied(_: &PeerId) -> DialError {
    DialError::Denied {
        cause: ConnectionDenied::new("too many connections"),
    }
}

/// The peer on this connection is known to speak the protocol.
pub(crate) fn speaks(driver: &mut Driver<Random>, peer: PeerId, connection: ConnectionId) {
    let connections = &mut driver.exchanger.keeper.connections;
    connections.mark_support(&peer, connection, true, Time::new(SECOND));
}

/// The peer was dialled at [`address`], by this behaviour or another.
pub(crate) fn established(driver: &mut Driver<Random>, peer: PeerId, id: ConnectionId, now: Time) {
    dialled(driver, peer, id, address(), now);
}

/// The peer was dialled at `address`, by this behaviour or another.
pub(crate) fn dialled(
    driver: &mut Driver<Random>,
    peer: PeerId,
    id: ConnectionId,
    address: Multiaddr,
    now: Time,
) {
    let endpoint = ConnectedPoint::Dialer {
        address,
        role_override: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    connected(driver, peer, id, &endpoint, now);
}

/// The peer has dialled this node, from `home`.
pub(crate) fn came(
    driver: &mut Driver<Random>,
    peer: PeerId,
    id: ConnectionId,
    (local_addr, send_back_addr): (Multiaddr, Multiaddr),
    now: Time,
) {
    let endpoint = ConnectedPoint::Listener {
        local_addr,
        send_back_addr,
    };
    connected(driver, peer, id, &endpoint, now);
}

fn connected(
    driver: &mut Driver<Random>,
    peer_id: PeerId,
    connection_id: ConnectionId,
    endpoint: &ConnectedPoint,
    now: Time,
) {
    let event = ConnectionEstablished {
        peer_id,
        connection_id,
        endpoint,
        failed_addresses: &[],
        other_established: 0,
    };
    driver.on_connection_established(event, now);
}

pub(crate) fn closed(
    driver: &mut Driver<Random>,
    peer_id: PeerId,
    connection_id: ConnectionId,
    now: Time,
) {
    let endpoint = ConnectedPoint::Listener {
        local_addr: Multiaddr::empty(),
        send_back_addr: Multiaddr::empty(),
    };
    let event = ConnectionClosed {
        peer_id,
        connection_id,
        endpoint: &endpoint,
        cause: None,
        remaining_established: 0,
    };
    driver.on_connection_closed(event, now);
}

/// Where a relay is.
pub(crate) fn relays_home() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/9".parse().expect("a multiaddr")
}

/// Where a peer is that no relay is in front of.
pub(crate) fn somewhere() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/8".parse().expect("a multiaddr")
}

/// The address of a peer behind `relay`.
pub(crate) fn behind(relay: PeerId) -> Multiaddr {
    let circuit = relays_home().with(Protocol::P2p(relay));
    circuit.with(Protocol::P2pCircuit)
}

/// `visitors` peers connect to this node.
pub(crate) fn come_by(driver: &mut Driver<Random>, visitors: usize, now: Time) {
    let endpoint = ConnectedPoint::Listener {
        local_addr: Multiaddr::empty(),
        send_back_addr: Multiaddr::empty(),
    };
    for visitor in 0..visitors {
        let event = ConnectionEstablished {
            peer_id: PeerId::random(),
            connection_id: ConnectionId::new_unchecked((1 << 40) + visitor),
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        driver.on_connection_established(event, now);
    }
}
