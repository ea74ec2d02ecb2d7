//! The programs of `docs/composing.md` are run: each node joins another one of its kind, on
//! loopback, and does what is said of it there.

mod common;

use std::fmt::Debug;

use common::swarms::{Node as Running, eventually};
use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::Handle;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const COMPOSING: &str = include_str!("../docs/composing.md");

/// The code in there, in its order.
const PROGRAMS: [&str; 9] = [
    include_str!("compose/gossipsub.rs"),
    include_str!("compose/kademlia.rs"),
    include_str!("compose/request_response.rs"),
    include_str!("compose/discovery.rs"),
    include_str!("compose/nat.rs"),
    include_str!("compose/overlays.rs"),
    include_str!("compose/topology.rs"),
    include_str!("compose/profiles.rs"),
    include_str!("compose/guards.rs"),
];

#[test]
fn documentation_has_these_programs_word_for_word_and_no_others() {
    let blocks = COMPOSING.split("```rust,no_run\n").skip(1);
    let programs: Vec<&str> = blocks
        .map(|block| block.split("```").next().unwrap_or_default())
        .collect();
    assert_eq!(programs, PROGRAMS);
}

/// The swarm of the README's first example, on a port of loopback.
async fn listening<B: NetworkBehaviour + Send>(
    make: impl FnOnce(&Keypair, Vec<Multiaddr>) -> Result<B, Failure>,
    seeds: Vec<Multiaddr>,
) -> (Swarm<B>, Multiaddr)
where
    B::ToSwarm: Debug,
{
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("noise")
        .with_behaviour(|keypair| make(keypair, seeds))
        .expect("a behaviour")
        .build();
    listen(swarm).await
}

async fn listen<B: NetworkBehaviour>(mut swarm: Swarm<B>) -> (Swarm<B>, Multiaddr)
where
    B::ToSwarm: Debug,
{
    let any = "/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr");
    swarm.listen_on(any).expect("loopback");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address.with(Protocol::P2p(*swarm.local_peer_id()));
        }
    };
    (swarm, address)
}

/// Two nodes, of which the second has the first as its only seed. Each is in the other's view.
async fn joined<B: NetworkBehaviour + Send>(
    make: impl Fn(&Keypair, Vec<Multiaddr>) -> Result<B, Failure>,
    handles: impl Fn(&B) -> Vec<Handle>,
) -> [Running<B>; 2]
where
    B::ToSwarm: Debug,
{
    let (first, address) = listening(&make, Vec::new()).await;
    let (second, other) = listening(&make, vec![address.clone()]).await;
    let views = [handles(first.behaviour()), handles(second.behaviour())];
    let nodes = [
        Running::spawn(first, address),
        Running::spawn(second, other),
    ];
    know_each_other(&nodes, &views).await;
    nodes
}

async fn know_each_other<B: NetworkBehaviour>(nodes: &[Running<B>; 2], views: &[Vec<Handle>; 2]) {
    let others = [nodes[1].peer_id, nodes[0].peer_id];
    eventually("each is in the other's view", || {
        let mut both = views.iter().zip(&others);
        both.all(|(handles, other)| handles.iter().all(|handle| handle.contains(other)))
    })
    .await;
}

async fn stop<B: NetworkBehaviour + Send, const N: usize>(nodes: [Running<B>; N])
where
    B::ToSwarm: Debug,
{
    for node in nodes {
        node.stop().await;
    }
}

mod gossipsub {
    include!("compose/gossipsub.rs");

    #[tokio::test]
    async fn gossipsub_node_joins_and_its_message_arrives() {
        let handles = |node: &Node| vec![node.sampling.handle()];
        let [mut first, second] = super::joined(node, handles).await;
        super::common::swarms::eventually_async("somebody is there to hear it", async || {
            let publish = |swarm: &mut libp2p::Swarm<Node>| {
                let topic = gossipsub::IdentTopic::new("chat");
                let gossipsub = &mut swarm.behaviour_mut().gossipsub;
                gossipsub.publish(topic, "hello").is_ok()
            };
            second.ask(publish).await
        })
        .await;
        let heard = first.event("the message", |event| match event {
            NodeEvent::Gossipsub(gossipsub::Event::Message { message, .. }) => Some(message.data),
            _ => None,
        });
        assert_eq!(heard.await, b"hello");
        super::stop([first, second]).await;
    }
}

mod kademlia {
    include!("compose/kademlia.rs");

    /// The loop of the README's first example, with `on_event` in it.
    #[tokio::test]
    async fn kademlia_node_joins_and_takes_contacts_into_its_table() {
        use futures::StreamExt;
        use libp2p::swarm::SwarmEvent;

        let (first, address) = super::listening(node, Vec::new()).await;
        let first = super::Running::spawn(first, address.clone());
        let (mut second, _) = super::listening(node, vec![address]).await;
        let filled = async {
            loop {
                if let SwarmEvent::Behaviour(event) = second.select_next_some().await {
                    on_event(&mut second, event);
                }
                let mut buckets = second.behaviour_mut().kad.kbuckets();
                let table = buckets.find_map(|bucket| {
                    let entry = bucket.iter().next()?;
                    Some(*entry.node.key.preimage())
                });
                if let Some(peer) = table {
                    return peer;
                }
            }
        };
        let peer = super::common::raw::within("a peer in the table", filled).await;
        assert_eq!(peer, first.peer_id);
        assert!(second.behaviour().sampling.handle().contains(&peer));
        first.stop().await;
    }
}

mod request_response {
    include!("compose/request_response.rs");

    #[tokio::test]
    async fn request_response_node_joins_and_asks_anybody() {
        let handles = |node: &Node| vec![node.sampling.handle()];
        let [mut first, second] = super::joined(node, handles).await;
        second.ask(ask_anybody).await;
        let question = first.event("the question", |event| match event {
            NodeEvent::Questions(request_response::Event::Message {
                message: request_response::Message::Request { request, .. },
                ..
            }) => Some(request),
            _ => None,
        });
        assert_eq!(question.await, "who are you?");
        super::stop([first, second]).await;
    }
}

mod discovery {
    include!("compose/discovery.rs");

    #[derive(NetworkBehaviour)]
    struct Point {
        identify: identify::Behaviour,
        rendezvous: libp2p::rendezvous::server::Behaviour,
    }

    fn point(keypair: &Keypair, _: Vec<Multiaddr>) -> Result<Point, Failure> {
        let identify = identify::Config::new("/example/1.0.0".to_owned(), keypair.public());
        Ok(Point {
            identify: identify::Behaviour::new(identify),
            rendezvous: libp2p::rendezvous::server::Behaviour::new(Default::default()),
        })
    }

    #[tokio::test]
    async fn discovery_node_joins_by_its_seed() {
        let handles = |node: &Node| vec![node.sampling.handle()];
        super::stop(super::joined(node, handles).await).await;
    }

    /// All that the two have in common is the rendezvous point.
    #[tokio::test]
    async fn discovery_node_joins_by_a_rendezvous_point() {
        let (swarm, point_address) = super::listening(point, Vec::new()).await;
        let point = super::Running::spawn(swarm, point_address.clone());
        let mut nodes = Vec::new();
        let mut views = Vec::new();
        for _ in 0..2 {
            let (mut swarm, address) = super::listening(node, Vec::new()).await;
            // What registers is confirmed addresses.
            let mut bare = address.clone();
            bare.pop();
            swarm.add_external_address(bare);
            swarm.dial(point_address.clone()).expect("a dial");
            views.push(vec![swarm.behaviour().sampling.handle()]);
            nodes.push(super::Running::spawn(swarm, address));
        }
        let [first, second]: [_; 2] = nodes.try_into().ok().expect("two");
        let peer = point.peer_id;
        let connected = move |swarm: &mut Swarm<Node>| swarm.is_connected(&peer);
        super::common::swarms::eventually_async("the point is connected", async || {
            first.ask(connected).await && second.ask(connected).await
        })
        .await;
        let register = move |swarm: &mut Swarm<Node>| {
            let namespace = Namespace::from_static("example");
            let rendezvous = &mut swarm.behaviour_mut().rendezvous;
            rendezvous.register(namespace, peer, None).is_ok()
        };
        assert!(first.ask(register).await, "it has an external address");
        let mut first = first;
        let registered = first.event("the registration", |event| match event {
            NodeEvent::Rendezvous(client::Event::Registered { .. }) => Some(()),
            _ => None,
        });
        registered.await;
        second.ask(move |swarm| look_around(swarm, peer)).await;
        let nodes = [first, second];
        let views: [_; 2] = views.try_into().expect("two");
        super::know_each_other(&nodes, &views).await;
        super::stop(nodes).await;
        point.stop().await;
    }
}

mod nat {
    include!("compose/nat.rs");

    /// The swarm that `node` and `reserve` of the documentation are for.
    async fn behind(seeds: Vec<Multiaddr>, relay: &Multiaddr) -> (Swarm<Node>, Multiaddr) {
        let mut swarm = libp2p::SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                libp2p::tcp::Config::default(),
                libp2p::noise::Config::new,
                libp2p::yamux::Config::default,
            )
            .expect("noise")
            .with_relay_client(libp2p::noise::Config::new, libp2p::yamux::Config::default)
            .expect("noise")
            .with_behaviour(|keypair, client| node(keypair, client, seeds))
            .expect("a behaviour")
            .build();
        reserve(&mut swarm, relay.clone()).expect("a relay's address");
        let circuit = async {
            use futures::StreamExt;
            use libp2p::swarm::SwarmEvent;
            loop {
                if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                    return address;
                }
            }
        };
        let address = super::common::raw::within("a reservation", circuit).await;
        (swarm, address)
    }

    fn relay(keypair: &Keypair, _: Vec<Multiaddr>) -> Result<relay::Behaviour, Failure> {
        let peer = keypair.public().to_peer_id();
        Ok(relay::Behaviour::new(peer, relay::Config::default()))
    }

    /// They listen nowhere but at their relay.
    #[tokio::test]
    async fn node_behind_a_nat_joins_by_its_relay() {
        let (mut swarm, relay_address) = super::listening(relay, Vec::new()).await;
        let mut bare = relay_address.clone();
        bare.pop();
        swarm.add_external_address(bare);
        let relay = super::Running::spawn(swarm, relay_address.clone());
        let (first, address) = behind(Vec::new(), &relay_address).await;
        let (second, other) = behind(vec![address.clone()], &relay_address).await;
        let views = [&first, &second].map(|swarm| vec![swarm.behaviour().sampling.handle()]);
        let nodes = [
            super::Running::spawn(first, address),
            super::Running::spawn(second, other),
        ];
        super::know_each_other(&nodes, &views).await;
        super::stop(nodes).await;
        relay.stop().await;
    }
}

mod overlays {
    include!("compose/overlays.rs");

    #[tokio::test]
    async fn node_with_two_overlays_joins_both() {
        let handles = |node: &Node| vec![node.everybody.handle(), node.archive.handle()];
        super::stop(super::joined(node, handles).await).await;
    }
}

mod topology {
    include!("compose/topology.rs");

    #[tokio::test]
    async fn nodes_find_each_other_on_the_ring_and_stay_connected() {
        use libp2p_peer_sampling::Event;

        let handles = |node: &Node| vec![node.everybody.handle(), node.ring.handle()];
        let [mut first, second] = super::joined(node, handles).await;
        let up = first.event("a target", |event| match event {
            NodeEvent::Ring(Event::TargetUp { peer }) => Some(peer),
            _ => None,
        });
        assert_eq!(up.await, second.peer_id);
        super::common::swarms::eventually_async("a connection for the ring", async || {
            let ask = |swarm: &mut libp2p::Swarm<Node>| {
                let ring = &swarm.behaviour().ring;
                (ring.neighbours().to_vec(), successor(&ring.handle()))
            };
            let (neighbours, successor) = first.ask(ask).await;
            let successor = successor.map(|record| record.peer_id());
            neighbours == [second.peer_id] && successor == Some(second.peer_id)
        })
        .await;
        super::stop([first, second]).await;
    }
}

mod profiles {
    include!("compose/profiles.rs");

    #[tokio::test]
    async fn node_hears_that_another_keeps_archives() {
        let (first, address) = super::listening(node, Vec::new()).await;
        let (second, other) = super::listening(node, vec![address.clone()]).await;
        let handle = first.behaviour().sampling.handle();
        let nodes = [
            super::Running::spawn(first, address),
            super::Running::spawn(second, other),
        ];
        let set = nodes[1].ask(|swarm| keep_archives(swarm.behaviour_mut()));
        set.await.expect("a small profile");
        super::eventually("it is heard of", || archives(&handle, 7).len() == 1).await;
        assert!(archives(&handle, 8).is_empty());
        super::stop(nodes).await;
    }
}

mod guards {
    include!("compose/guards.rs");

    #[tokio::test]
    async fn guarded_node_joins_and_a_blocked_peer_leaves_its_view() {
        let handles = |node: &Node| vec![node.sampling.handle()];
        let [first, second] = super::joined(node, handles).await;
        let peer = first.peer_id;
        let block = move |swarm: &mut libp2p::Swarm<Node>| {
            let node = swarm.behaviour_mut();
            node.blocked.block_peer(peer);
            node.sampling.handle()
        };
        let handle = second.ask(block).await;
        super::eventually("the blocked peer is gone", || !handle.contains(&peer)).await;
        super::stop([first, second]).await;
    }
}
