//! A node in a task of its own, with real sockets, and the counts of its work.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, Swarm, kad, multiaddr::Protocol, swarm::SwarmEvent};
use libp2p_peer_sampling::Event;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, interval_at},
};

use super::node::{self, Failure, Node, NodeEvent, Options, Wiring};

/// A running node.
#[derive(Debug)]
pub struct Member {
    /// With `/p2p`; none when it does not listen.
    pub address: Option<Multiaddr>,
    questions: mpsc::UnboundedSender<Question>,
    task: JoinHandle<()>,
}

/// A question to a running node.
type Question = Box<dyn FnOnce(&mut Running) + Send>;

/// What a node has had to do up to now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Requests of kad that it was asked.
    pub requests: u32,
    /// Connections, no matter which side opened them.
    pub connections: Connections,
    /// How long after its start it had contacted 20 peers.
    pub contacted_k: Option<Duration>,
    /// How long after its start its routing table had 20 peers.
    pub known_k: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Connections {
    /// How many were ever established.
    pub ever: u32,
    /// How many there were at the same time, at most.
    pub peak: u32,
    /// The sum of the times for which each was open.
    pub open: Duration,
    now: u32,
    since: Option<Instant>,
}

impl Connections {
    fn are(&mut self, now: u32) {
        let at = Instant::now();
        let elapsed = self.since.map_or(Duration::ZERO, |since| at - since);
        self.open += elapsed * self.now;
        self.since = Some(at);
        self.ever += now.saturating_sub(self.now);
        self.peak = self.peak.max(now);
        self.now = now;
    }
}

/// What the task has.
pub struct Running {
    pub swarm: Swarm<Node>,
    wiring: Wiring,
    started: Instant,
    tally: Tally,
    pub contacted: BTreeSet<PeerId>,
    puts: HashMap<kad::QueryId, oneshot::Sender<bool>>,
    gets: HashMap<kad::QueryId, oneshot::Sender<Option<Vec<u8>>>>,
}

impl Member {
    pub async fn start(options: &Options) -> Result<Self, Failure> {
        let mut running = Running {
            swarm: node::start(options)?,
            wiring: Wiring::new(options.discovery),
            started: Instant::now(),
            tally: Tally::default(),
            contacted: BTreeSet::new(),
            puts: HashMap::new(),
            gets: HashMap::new(),
        };
        let peer_id = *running.swarm.local_peer_id();
        let mut address = None;
        while options.listen && address.is_none() {
            let event = running.swarm.select_next_some().await;
            if let SwarmEvent::NewListenAddr { address: at, .. } = &event {
                address = Some(at.clone().with(Protocol::P2p(peer_id)));
            }
            running.on_event(event);
        }
        let (questions, questions_rx) = mpsc::unbounded_channel();
        let task = tokio::spawn(running.run(options.timing.refresh, questions_rx));
        Ok(Self {
            address,
            questions,
            task,
        })
    }

    /// Asks the running node something.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Running) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer_tx, answer) = oneshot::channel();
        let ask = move |running: &mut Running| {
            let _ = answer_tx.send(question(running));
        };
        if self.questions.send(Box::new(ask)).is_err() {
            return Err("the node has stopped".into());
        }
        Ok(answer.await?)
    }

    /// How many peers are in the routing table.
    pub async fn known(&self) -> Result<usize, Failure> {
        self.ask(|running| running.swarm.behaviour_mut().known())
            .await
    }

    /// Who is in the routing table.
    pub async fn table(&self) -> Result<BTreeSet<PeerId>, Failure> {
        self.ask(|running| running.swarm.behaviour_mut().table())
            .await
    }

    /// Puts a record; whether anybody has taken it.
    pub async fn put(&self, record: kad::Record) -> Result<bool, Failure> {
        let (answer_tx, answer) = oneshot::channel();
        self.ask(move |running| {
            let kad = &mut running.swarm.behaviour_mut().kad;
            let id = kad.put_record(record, kad::Quorum::One)?;
            running.puts.insert(id, answer_tx);
            Ok::<_, kad::store::Error>(())
        })
        .await??;
        Ok(answer.await?)
    }

    /// The value that is first found.
    pub async fn get(&self, key: kad::RecordKey) -> Result<Option<Vec<u8>>, Failure> {
        let (answer_tx, answer) = oneshot::channel();
        self.ask(move |running| {
            let id = running.swarm.behaviour_mut().kad.get_record(key);
            running.gets.insert(id, answer_tx);
        })
        .await?;
        Ok(answer.await?)
    }

    /// Stops the node as a crash would: nobody is told.
    pub async fn stop(self) -> Result<(), Failure> {
        drop(self.questions);
        Ok(self.task.await?)
    }
}

impl Running {
    /// What was counted up to now.
    pub fn tally(&mut self) -> Tally {
        let connections = &mut self.tally.connections;
        connections.are(connections.now);
        self.tally
    }

    async fn run(mut self, refresh: Duration, mut questions: mpsc::UnboundedReceiver<Question>) {
        let mut refresh = interval_at(Instant::now() + refresh, refresh);
        loop {
            tokio::select! {
                _ = refresh.tick() => self.wiring.look_up(&mut self.swarm),
                event = self.swarm.select_next_some() => self.on_event(event),
                question = questions.recv() => match question {
                    Some(question) => question(&mut self),
                    None => return,
                },
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<NodeEvent>) {
        let connections = &mut self.tally.connections;
        match event {
            SwarmEvent::ConnectionEstablished { .. } => connections.are(connections.now + 1),
            SwarmEvent::ConnectionClosed { .. } => connections.are(connections.now - 1),
            SwarmEvent::Behaviour(event) => {
                self.wiring.on_event(&mut self.swarm, &event);
                self.count(event);
            }
            _ => {}
        }
    }

    fn count(&mut self, event: NodeEvent) {
        let k = kad::K_VALUE.get();
        match event {
            NodeEvent::Kad(kad::Event::InboundRequest { .. }) => self.tally.requests += 1,
            NodeEvent::Kad(kad::Event::RoutingUpdated { .. })
                if self.tally.known_k.is_none() && self.swarm.behaviour_mut().known() >= k =>
            {
                self.tally.known_k = Some(self.started.elapsed());
            }
            NodeEvent::Sampling(Event::Contacted { peer, .. }) => {
                self.contacted.insert(peer);
                if self.tally.contacted_k.is_none() && self.contacted.len() >= k {
                    self.tally.contacted_k = Some(self.started.elapsed());
                }
            }
            NodeEvent::Kad(kad::Event::OutboundQueryProgressed {
                id, result, step, ..
            }) => self.on_progress(id, result, step.last),
            _ => {}
        }
    }

    /// The caller that waits for the answer may have gone.
    fn on_progress(&mut self, id: kad::QueryId, result: kad::QueryResult, last: bool) {
        match result {
            kad::QueryResult::PutRecord(result) => {
                if let Some(answer) = self.puts.remove(&id) {
                    let _ = answer.send(result.is_ok());
                }
            }
            kad::QueryResult::GetRecord(Ok(kad::GetRecordOk::FoundRecord(found))) => {
                if let Some(answer) = self.gets.remove(&id) {
                    let _ = answer.send(Some(found.record.value));
                }
                // One is enough.
                if let Some(mut query) = self.swarm.behaviour_mut().kad.query_mut(&id) {
                    query.finish();
                }
            }
            kad::QueryResult::GetRecord(_) if last => {
                if let Some(answer) = self.gets.remove(&id) {
                    let _ = answer.send(None);
                }
            }
            _ => {}
        }
    }
}
