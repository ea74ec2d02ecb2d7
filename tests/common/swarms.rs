//! Real swarms in one process, over libp2p's memory transport: each runs in a task of its own,
//! which is awaited when the node is stopped.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, Transport,
    core::{transport::MemoryTransport, upgrade::Version},
    identity::Keypair,
    multiaddr::Protocol,
    noise, plaintext,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Event, Handle};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// How long any condition may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Short enough for tests; everything the overlay promises is counted in rounds.
pub fn config() -> Config {
    Config::local()
        .with_period(Duration::from_millis(200))
        .with_eager_delay(Duration::from_millis(20))
        .with_exchange_timeout(Duration::from_secs(5))
}

/// A swarm on `/memory/N`, not polled by anybody yet.
pub fn swarm<B: NetworkBehaviour>(
    keypair: Keypair,
    idle_timeout: Duration,
    behaviour: impl FnOnce(&Keypair) -> B,
) -> (Swarm<B>, Multiaddr) {
    static NEXT: AtomicU64 = AtomicU64::new(1);

    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_other_transport(|keypair| {
            MemoryTransport::default()
                .upgrade(Version::V1Lazy)
                .authenticate(plaintext::Config::new(keypair))
                .multiplex(yamux::Config::default())
        })
        .expect("infallible")
        .with_behaviour(|keypair| behaviour(keypair))
        .expect("infallible")
        .with_swarm_config(|config| config.with_idle_connection_timeout(idle_timeout))
        .build();
    let address = Multiaddr::from(Protocol::Memory(NEXT.fetch_add(1, Ordering::Relaxed)));
    swarm
        .listen_on(address.clone())
        .expect("memory addresses can be listened on");
    let full = address.with(Protocol::P2p(*swarm.local_peer_id()));
    (swarm, full)
}

/// A swarm for TCP and QUIC that listens nowhere yet, and is polled by nobody.
pub fn ip_swarm<B: NetworkBehaviour>(
    keypair: Keypair,
    idle_timeout: Duration,
    behaviour: impl FnOnce(&Keypair) -> B,
) -> Swarm<B> {
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("no fault of the keys")
        .with_quic()
        .with_behaviour(|keypair| behaviour(keypair))
        .expect("infallible")
        .with_swarm_config(|config| config.with_idle_connection_timeout(idle_timeout))
        .build()
}

/// A question to a running swarm.
type Question<B> = Box<dyn FnOnce(&mut Swarm<B>) + Send>;

/// A running swarm.
pub struct Node<B: NetworkBehaviour = Behaviour> {
    pub peer_id: PeerId,
    /// With `/p2p`.
    pub address: Multiaddr,
    pub events: mpsc::UnboundedReceiver<B::ToSwarm>,
    questions: mpsc::UnboundedSender<Question<B>>,
    task: JoinHandle<()>,
}

impl<B: NetworkBehaviour + Send> Node<B>
where
    B::ToSwarm: fmt::Debug,
{
    pub fn spawn(mut swarm: Swarm<B>, address: Multiaddr) -> Self {
        let peer_id = *swarm.local_peer_id();
        let (events_tx, events) = mpsc::unbounded_channel();
        let (questions, mut questions_rx) = mpsc::unbounded_channel::<Question<B>>();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => {
                        if let SwarmEvent::Behaviour(event) = event {
                            // A test need not listen.
                            let _ = events_tx.send(event);
                        }
                    }
                    question = questions_rx.recv() => match question {
                        Some(question) => question(&mut swarm),
                        None => return,
                    }
                }
            }
        });
        Self {
            peer_id,
            address,
            events,
            questions,
            task,
        }
    }

    /// Asks the running swarm something.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Swarm<B>) -> T + Send + 'static,
    ) -> T {
        let (answer_tx, answer) = oneshot::channel();
        let ask = move |swarm: &mut Swarm<B>| {
            let _ = answer_tx.send(question(swarm));
        };
        assert!(self.questions.send(Box::new(ask)).is_ok(), "it runs");
        answer.await.expect("it answers")
    }

    /// Waits for the first event that is wanted; the others are dropped.
    pub async fn event<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(B::ToSwarm) -> Option<T>,
    ) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the swarm runs");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        });
        found
            .await
            .unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
    }

    /// Stops the swarm at once, without goodbyes, as a crash would.
    pub async fn stop(self) {
        drop(self.questions);
        self.task.await.expect("the swarm's task did not panic");
    }
}

/// A running swarm with nothing but peer sampling, and its handle.
pub struct Sampling {
    pub node: Node,
    pub handle: Handle,
}

impl Sampling {
    pub fn start(config: Config) -> Self {
        Self::with_idle_timeout(Duration::from_secs(10), config)
    }

    pub fn with_idle_timeout(idle_timeout: Duration, config: Config) -> Self {
        Self::with(Keypair::generate_ed25519(), idle_timeout, config)
    }

    pub fn with(keypair: Keypair, idle_timeout: Duration, config: Config) -> Self {
        let (swarm, address) = swarm(keypair, idle_timeout, |keypair| {
            Behaviour::new(keypair, config).expect("valid settings")
        });
        let handle = swarm.behaviour().handle();
        let node = Node::spawn(swarm, address);
        Self { node, handle }
    }

    pub fn view(&self) -> Vec<PeerId> {
        let view = self.handle.view();
        view.peers().map(|record| record.peer_id()).collect()
    }

    /// Waits until the behaviour has said `wanted`.
    pub async fn event<T>(&mut self, what: &str, wanted: impl FnMut(Event) -> Option<T>) -> T {
        self.node.event(what, wanted).await
    }
}

/// Waits until `condition` holds, looking again every few milliseconds, and panics with `what` when
/// it takes too long.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_async(what, async || condition()).await;
}

/// [`eventually`], for conditions that a running swarm has to be asked about.
pub async fn eventually_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let holds = timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    holds
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
