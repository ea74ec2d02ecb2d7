//! One network, in which peers are drawn in both ways.

use std::{collections::BTreeSet, time::Duration};

use futures::future::{join_all, try_join_all};
use libp2p::PeerId;
use libp2p_peer_sampling::{PeerSampling, Selection, peer::Peer};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    node::{Failure, Member, VIEW_SIZE},
    service::RandomKey,
};

/// How long the network may take until everybody knows enough others.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
pub struct Study {
    /// The seed included.
    pub nodes: usize,
    /// How many of them draw.
    pub drawing: usize,
    /// For how many rounds they draw in each way.
    pub rounds: u32,
    /// How many peers they draw in a round.
    pub draws: Vec<u32>,
    pub period: Duration,
}

/// What was drawn.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    pub peers: Vec<PeerId>,
    /// How often there was nobody.
    pub nobody: usize,
    /// From each question to its answer, added up.
    pub time: Duration,
}

impl Drawn {
    pub fn different(&self) -> usize {
        self.peers.iter().collect::<BTreeSet<_>>().len()
    }

    pub fn time_per_peer(&self) -> Duration {
        let count = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        self.time / count.max(1)
    }

    fn add(mut self, other: Self) -> Self {
        self.peers.extend(other.peers);
        self.nobody += other.nobody;
        self.time += other.time;
        self
    }
}

/// What one way has cost.
#[derive(Debug)]
pub struct Measured {
    pub way: &'static str,
    /// How many peers each node has drawn in a round.
    pub per_round: u32,
    pub drawn: Drawn,
    /// Requests and their answers: of lookups, or of the exchanges that the nodes that draw have
    /// started meanwhile.
    pub messages: u64,
}

impl Measured {
    pub fn messages_per_peer(&self) -> f64 {
        self.messages as f64 / self.drawn.peers.len().max(1) as f64
    }
}

/// Draws so many peers in every round, from any service: it does not know which.
pub async fn draw<S>(
    service: &mut S,
    mode: &S::Mode,
    per_round: u32,
    (rounds, period): (u32, Duration),
) -> Drawn
where
    S: PeerSampling,
    S::Peer: Peer<Id = PeerId>,
{
    let start = Instant::now();
    let mut drawn = Drawn::default();
    for round in 0..rounds {
        for _ in 0..per_round {
            let asked = Instant::now();
            match service.select_peer(mode).await {
                Some(peer) => {
                    drawn.time += asked.elapsed();
                    drawn.peers.push(*peer.id());
                }
                None => drawn.nobody += 1,
            }
        }
        sleep_until(start + period * (round + 1)).await;
    }
    drawn
}

/// Draws at each of these nodes, from the service that `service` makes of it.
async fn draw_at_each<'a, S>(
    members: &'a mut [Member],
    service: impl Fn(&'a mut Member) -> &'a mut S,
    mode: &S::Mode,
    per_round: u32,
    time: (u32, Duration),
) -> Drawn
where
    S: PeerSampling + 'a,
    S::Peer: Peer<Id = PeerId>,
{
    let draws = members
        .iter_mut()
        .map(|member| draw(service(member), mode, per_round, time));
    let all = join_all(draws).await;
    all.into_iter().fold(Drawn::default(), Drawn::add)
}

impl Study {
    pub async fn measure(&self) -> Result<Vec<Measured>, Failure> {
        let mut members = self.start().await?;
        let mut all = Vec::new();
        let time = (self.rounds, self.period);
        let drawing = &mut members[..self.drawing.min(self.nodes)];
        for &per_round in &self.draws {
            let before = exchanged(drawing);
            let mode = Selection::Uniform;
            let drawn = draw_at_each(drawing, |m| &mut m.handle, &mode, per_round, time).await;
            all.push(Measured {
                way: "view",
                per_round,
                drawn,
                messages: exchanged(drawing) - before,
            });
        }
        for &per_round in &self.draws {
            let before = walked(drawing);
            let drawn = draw_at_each(drawing, |m| &mut m.walk, &RandomKey, per_round, time).await;
            all.push(Measured {
                way: "walk",
                per_round,
                drawn,
                messages: walked(drawing) - before,
            });
        }
        join_all(members.into_iter().map(Member::stop)).await;
        Ok(all)
    }

    /// A network in which everybody knows as many others as there is room for.
    pub async fn start(&self) -> Result<Vec<Member>, Failure> {
        let mut members = vec![Member::start(None, self.period).await?];
        let seed = members[0].address.clone();
        let others = (1..self.nodes).map(|_| Member::start(Some(seed.clone()), self.period));
        members.extend(try_join_all(others).await?);
        let view = VIEW_SIZE.min(self.nodes - 1);
        let knows_enough =
            |member: &Member| member.handle.view_len() >= view && member.known() >= view;
        let all_know = async {
            while !members.iter().all(knows_enough) {
                sleep(self.period / 10).await;
            }
        };
        if timeout(PATIENCE, all_know).await.is_err() {
            return Err("nodes do not get to know each other".into());
        }
        Ok(members)
    }
}

/// The messages of the exchanges that these nodes have started.
fn exchanged(members: &[Member]) -> u64 {
    let counters = members.iter().map(|member| member.handle.counters());
    counters
        .map(|counters| counters.requests_sent + counters.responses_received)
        .sum()
}

/// The messages of the walks that these nodes have started.
fn walked(members: &[Member]) -> u64 {
    members
        .iter()
        .map(|member| 2 * member.walk.requests())
        .sum()
}
