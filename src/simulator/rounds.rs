//! The papers' model: synchronous rounds, in each of which every node takes one turn.

use std::{
    hint, mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{RngExt, seq::SliceRandom};

use crate::{
    gossip::{
        buffers::Buffers,
        message::{ExchangeId, Failure, Request, Response},
    },
    overlay::Overlay,
    simulator::{
        config::{Config, ConfigError},
        driver::Driver,
        faults::Faults,
        network::{Network, Node, fork, side},
        traffic::Traffic,
    },
};

/// The round-based driver.
///
/// In each round all nodes take a turn, in random order (from 16,384 nodes on, in blocks of 64 whose
/// order is random): a node starts what it has to start, its
/// partner answers, it merges the answer. Time-outs take no time: that a message does not arrive is
/// known at once, and the node may try another partner in the same turn.
///
/// # One exchange after another, many at a time
///
/// That exchanges do not overlap is part of the model, and matters: where each lasts a tenth of
/// the period, the swapper's in-degrees spread by half as much again (measured). And yet the nodes
/// are worked on in batches of 1/128 of them, at most 256, so that caches can be filled ahead and
/// threads can share the nodes between them. A batch
///
/// 1. lets its nodes start their exchanges,
/// 2. lets the partners answer, except those that have started one of their own, which is not over:
///    requests to these wait for a later batch,
/// 3. lets the answers be merged.
///
/// So nobody is touched between the start and the end of its own exchange, and the outcome is that
/// of the same exchanges one after another, in the order in which they were answered: a test
/// replays them. Only where nodes wait for each other in a circle do their exchanges overlap: in
/// about one round of 250 there is one. Nor does the outcome depend on the number of threads.
#[derive(Debug)]
pub struct Rounds<O> {
    network: Network<O>,
    round: u64,
    order: Vec<u32>,
    live: Vec<bool>,
    workers: Vec<Worker>,
    mail: Mail,
    traffic: Traffic,
}

/// From how many nodes on turns are taken in blocks: no cache holds so many.
const BLOCKS: usize = 16_384;

/// The most turns of a batch (measured: with fewer, misses are waited for one by one; with more, what
/// was touched has left the fastest caches when its turn comes).
const MAX_BATCH: usize = 256;

/// From how many nodes on a second thread is worth while: batches have their full size there, and
/// waiting for each other takes little of the time.
const MANY_NODES: usize = if cfg!(test) { 1_000 } else { 65_536 };

impl<O: Overlay<u32> + Clone + Send + Sync> Rounds<O> {
    /// A network at its start.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together.
    pub fn new(config: Config, overlay: O) -> Result<Self, ConfigError> {
        // Rounds are counted here, so nothing may come between them.
        let gossip = config.gossip().clone();
        let period = gossip.period();
        let config = config.with_gossip(gossip.with_eager_delay(period));
        let threads = config.threads();
        Ok(Self {
            network: Network::new(config, overlay)?,
            round: 0,
            order: Vec::new(),
            live: Vec::new(),
            workers: Vec::new(),
            mail: Mail::new(threads),
            traffic: Traffic::default(),
        })
    }

    /// Draws the order of the turns: of very many nodes, those that lie side by side in memory take
    /// theirs together, and each batch has its share of every quarter, whoever is to work on it.
    fn draw_order(&mut self) {
        let live = self.network.live();
        let (block, quarter) = match live.len() < BLOCKS {
            true => (1, live.len()),
            false => (64, live.len().div_ceil(4)),
        };
        let mut rng = fork(self.network.config().seed(), (u32::MAX, self.round, 0));
        let quarters = live.chunks(quarter.max(1)).map(|quarter| {
            let mut blocks: Vec<&[u32]> = quarter.chunks(block).collect();
            blocks.shuffle(&mut rng);
            blocks
        });
        let quarters: Vec<_> = quarters.collect();
        let most = quarters.iter().map(Vec::len).max().unwrap_or_default();
        self.order.clear();
        for number in 0..most {
            let blocks = quarters.iter().filter_map(|blocks| blocks.get(number));
            self.order.extend(blocks.copied().flatten());
        }
    }

    fn exchanges(&mut self) {
        let config = self.network.config();
        let turns = Turns {
            now: config.gossip().period() * u32::try_from(self.round).unwrap_or(u32::MAX),
            round: self.round,
            seed: config.seed(),
            faults: config.faults().clone(),
            batch: (self.order.len() / 128).clamp(1, MAX_BATCH),
            order: &self.order,
            live: &self.live,
            mail: &self.mail,
        };
        let threads = match self.order.len() < MANY_NODES {
            true => 1,
            false => config.threads(),
        };
        let nodes = self.network.nodes_mut();
        let size = nodes.len().div_ceil(threads).max(1);
        let shards = nodes.chunks_mut(size).enumerate();
        let barrier = Barrier::new(shards.len());
        self.workers.resize_with(shards.len(), Worker::new);
        thread::scope(|scope| {
            let mut first = None;
            for ((index, nodes), worker) in shards.zip(&mut self.workers) {
                let shard = Shard {
                    index,
                    size,
                    first: index * size,
                    nodes,
                };
                match first {
                    None => first = Some((worker, shard)),
                    Some(_) => {
                        let (turns, barrier) = (&turns, &barrier);
                        scope.spawn(move || worker.work(shard, turns, barrier));
                    }
                }
            }
            if let Some((worker, shard)) = first {
                worker.work(shard, &turns, &barrier);
            }
        });
        for worker in &mut self.workers {
            self.traffic += mem::take(&mut worker.traffic);
        }
    }
}

impl<O: Overlay<u32> + Clone + Send + Sync> Driver for Rounds<O> {
    type Overlay = O;

    fn next_round(&mut self) {
        self.round += 1;
        self.network.begin_round(self.round);
        // Whom a node cannot reach is decided by who is there now.
        self.live.clear();
        self.live.resize(self.network.ids(), false);
        for &id in self.network.live() {
            self.live[id as usize] = true;
        }
        self.draw_order();
        self.exchanges();
        self.network.end_round(self.round);
    }

    fn round(&self) -> u64 {
        self.round
    }

    fn network(&self) -> &Network<O> {
        &self.network
    }

    fn network_mut(&mut self) -> &mut Network<O> {
        &mut self.network
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

/// What all workers know of a round.
struct Turns<'a> {
    now: Duration,
    round: u64,
    seed: u64,
    faults: Faults,
    batch: usize,
    order: &'a [u32],
    live: &'a [bool],
    mail: &'a Mail,
}

/// What becomes of an exchange.
enum Fate {
    /// Nobody is there, or on the other side.
    Unreachable,
    RequestLost,
    ResponseLost,
    Succeeds,
}

impl Turns<'_> {
    /// What becomes of an exchange, the `number`th that this node has tried in this round.
    fn fate(&self, from: u32, to: u32, number: u32) -> Fate {
        let parted =
            self.faults.partitioned(self.round) && side(self.seed, from) != side(self.seed, to);
        if parted || !self.live[to as usize] {
            return Fate::Unreachable;
        }
        let loss = self.faults.loss();
        if loss == 0.0 {
            return Fate::Succeeds;
        }
        let mut chance = fork(self.seed, (from, self.round, number));
        match chance.random_bool(loss) {
            true => Fate::RequestLost,
            false if chance.random_bool(loss) => Fate::ResponseLost,
            false => Fate::Succeeds,
        }
    }
}

/// The nodes that one worker has for itself.
struct Shard<'a, O> {
    index: usize,
    size: usize,
    first: usize,
    nodes: &'a mut [Option<Node<O>>],
}

impl<O> Shard<'_, O> {
    fn holds(&self, id: u32) -> bool {
        id as usize / self.size == self.index
    }
}

impl<O: Overlay<u32>> Shard<'_, O> {
    fn node(&mut self, id: u32) -> &mut Node<O> {
        let node = self.nodes[id as usize - self.first].as_mut();
        node.expect("nobody vanishes within a round")
    }

    fn touch(&self, id: u32) {
        if let Some(node) = &self.nodes[id as usize - self.first] {
            node.touch();
        }
    }
}

/// A request on its way.
#[derive(Debug)]
struct Asked {
    /// Its place in the order of the round.
    turn: usize,
    from: u32,
    to: u32,
    id: ExchangeId,
    request: Request<u32>,
    /// How many exchanges its sender has tried in this round.
    number: u32,
    response_lost: bool,
}

/// The answer to it; `None` when it is lost.
#[derive(Debug)]
struct Answered {
    turn: usize,
    to: u32,
    id: ExchangeId,
    number: u32,
    response: Option<Response<u32>>,
}

/// What workers give each other, by sender and receiver.
#[derive(Debug)]
struct Mail {
    threads: usize,
    asked: Vec<Mutex<Vec<Asked>>>,
    answered: Vec<Mutex<Vec<Answered>>>,
    /// How many exchanges each worker knows of that are not over.
    open: Vec<AtomicUsize>,
}

impl Mail {
    fn new(threads: usize) -> Self {
        let cells = threads * threads;
        Self {
            threads,
            asked: (0..cells).map(|_| Mutex::default()).collect(),
            answered: (0..cells).map(|_| Mutex::default()).collect(),
            open: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
        }
    }
}

/// Where workers wait for each other. The one of the standard library puts those who wait to sleep,
/// which takes longer than what there is to wait for.
struct Barrier {
    workers: usize,
    arrived: AtomicUsize,
    passed: AtomicUsize,
}

impl Barrier {
    fn new(workers: usize) -> Self {
        Self {
            workers,
            arrived: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
        }
    }

    fn wait(&self) {
        let passed = self.passed.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.workers {
            self.arrived.store(0, Ordering::Relaxed);
            self.passed.store(passed.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0u32;
        while self.passed.load(Ordering::Acquire) == passed {
            spins += 1;
            // The others may be waiting for this very core.
            match spins < 2_000 {
                true => hint::spin_loop(),
                false => thread::yield_now(),
            }
        }
    }
}

/// Puts what `from` has for the others where they find it, and takes the emptied storage.
fn post<T>(cells: &[Mutex<Vec<T>>], threads: usize, from: usize, out: &mut [Vec<T>]) {
    for (to, letters) in out.iter_mut().enumerate() {
        let cell = &cells[from * threads + to];
        mem::swap(
            letters,
            &mut cell.lock().unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Takes what the others have for `to`, in the order of the turns.
fn collect<T>(
    cells: &[Mutex<Vec<T>>],
    threads: usize,
    to: usize,
    inbox: &mut Vec<T>,
    turn: impl Fn(&T) -> (usize, ExchangeId),
) {
    for from in 0..threads {
        let cell = &cells[from * threads + to];
        inbox.append(&mut cell.lock().unwrap_or_else(PoisonError::into_inner));
    }
    inbox.sort_unstable_by_key(turn);
}

/// One thread's share of the work, with storage to be used again.
#[derive(Debug)]
struct Worker {
    ask: Vec<Vec<Asked>>,
    asked: Vec<Asked>,
    /// Requests whose receivers are not free yet.
    waiting: Vec<Asked>,
    answer: Vec<Vec<Answered>>,
    answered: Vec<Answered>,
    buffers: Buffers<u32>,
    traffic: Traffic,
}

impl Worker {
    fn new() -> Self {
        Self {
            ask: Vec::new(),
            asked: Vec::new(),
            waiting: Vec::new(),
            answer: Vec::new(),
            answered: Vec::new(),
            // Two for each exchange of a batch, and some for those that wait.
            buffers: Buffers::new(3 * MAX_BATCH),
            traffic: Traffic::default(),
        }
    }

    fn work<O: Overlay<u32>>(
        &mut self,
        mut shard: Shard<'_, O>,
        turns: &Turns<'_>,
        barrier: &Barrier,
    ) {
        let threads = turns.mail.threads;

        self.ask.resize_with(threads, Vec::new);
        self.answer.resize_with(threads, Vec::new);
        for (number, batch) in turns.order.chunks(turns.batch).enumerate() {
            let own = |id: &&u32| shard.holds(**id);
            batch.iter().filter(own).for_each(|&id| shard.touch(id));
            for (turn, &id) in (number * turns.batch..).zip(batch) {
                if shard.holds(id) {
                    self.start(&mut shard, turns, turn, id, 0);
                }
            }
            self.carry_out(&mut shard, turns, barrier, false);
        }
        // Those that had to wait; and those that wait for each other, in a circle.
        let mut open = usize::MAX;
        loop {
            let still_open = self.count_open(&shard, turns, barrier);
            if still_open == 0 {
                break;
            }
            self.carry_out(&mut shard, turns, barrier, still_open >= open);
            open = still_open;
        }
    }

    /// Exchanges that were started are answered, and the answers merged; of those whose partner is
    /// not free only if `all` are to be.
    fn carry_out<O: Overlay<u32>>(
        &mut self,
        shard: &mut Shard<'_, O>,
        turns: &Turns<'_>,
        barrier: &Barrier,
        all: bool,
    ) {
        let Mail {
            threads,
            asked,
            answered,
            ..
        } = turns.mail;
        post(asked, *threads, shard.index, &mut self.ask);
        barrier.wait();
        self.asked.append(&mut self.waiting);
        collect(asked, *threads, shard.index, &mut self.asked, |a| {
            (a.turn, a.id)
        });
        self.asked.iter().for_each(|asked| shard.touch(asked.to));
        self.answer(shard, all);
        post(answered, *threads, shard.index, &mut self.answer);
        barrier.wait();
        collect(answered, *threads, shard.index, &mut self.answered, |a| {
            (a.turn, a.id)
        });
        self.finish(shard, turns);
    }

    /// How many exchanges are not over, all workers taken together.
    fn count_open<O>(&self, shard: &Shard<'_, O>, turns: &Turns<'_>, barrier: &Barrier) -> usize {
        let open = self.waiting.len() + self.ask.iter().map(Vec::len).sum::<usize>();
        turns.mail.open[shard.index].store(open, Ordering::Relaxed);
        barrier.wait();
        let of_all = turns.mail.open.iter();
        of_all.map(|open| open.load(Ordering::Relaxed)).sum()
    }

    /// A node's turn: it starts what it has to start.
    fn start<O: Overlay<u32>>(
        &mut self,
        shard: &mut Shard<'_, O>,
        turns: &Turns<'_>,
        turn: usize,
        id: u32,
        mut number: u32,
    ) {
        let size = shard.size;
        let node = shard.node(id);
        let poll = |node: &mut Node<O>| node.poll_round(turns.now);
        while let Some(exchange) = node.with_buffers(&mut self.buffers, poll) {
            let fate = turns.fate(id, exchange.partner, number);
            number += 1;
            let failure = match fate {
                Fate::Unreachable if turns.faults.unreachable_stay() => Some(Failure::Refused),
                Fate::Unreachable => Some(Failure::Unreachable),
                Fate::RequestLost => Some(Failure::Broken),
                Fate::ResponseLost | Fate::Succeeds => None,
            };
            if !matches!(fate, Fate::Unreachable) {
                self.traffic.requests += 1;
                self.traffic.descriptors += exchange.request.descriptors.len() as u64;
            }
            if let Some(failure) = failure {
                self.traffic.failures += 1;
                let fail = |node: &mut Node<O>| node.handle_failure(exchange.id, failure);
                node.with_buffers(&mut self.buffers, fail)
                    .expect("just started");
                self.buffers.keep(exchange.request.descriptors);
                continue;
            }
            self.ask[exchange.partner as usize / size].push(Asked {
                turn,
                from: id,
                to: exchange.partner,
                id: exchange.id,
                request: exchange.request,
                number,
                response_lost: matches!(fate, Fate::ResponseLost),
            });
        }
    }

    /// The partners answer.
    fn answer<O: Overlay<u32>>(&mut self, shard: &mut Shard<'_, O>, all: bool) {
        for asked in self.asked.drain(..) {
            let node = shard.node(asked.to);
            if node.in_flight() > 0 {
                if !all {
                    self.waiting.push(asked);
                    continue;
                }
                self.traffic.overlapped += 1;
            }
            let answer = |node: &mut Node<O>| node.handle_request(&asked.from, asked.request);
            let response = node.with_buffers(&mut self.buffers, answer);
            self.traffic.responses += 1;
            self.traffic.descriptors += response.descriptors.len() as u64;
            self.answer[asked.from as usize / shard.size].push(Answered {
                turn: asked.turn,
                to: asked.from,
                id: asked.id,
                number: asked.number,
                response: (!asked.response_lost).then_some(response),
            });
        }
    }

    /// Those who started merge the answers; where one is lost, the node may try another partner.
    fn finish<O: Overlay<u32>>(&mut self, shard: &mut Shard<'_, O>, turns: &Turns<'_>) {
        let mut answered = mem::take(&mut self.answered);
        for Answered {
            turn,
            to,
            id,
            number,
            response,
        } in answered.drain(..)
        {
            let node = shard.node(to);
            if let Some(response) = response {
                self.traffic.exchanges += 1;
                let merge = |node: &mut Node<O>| node.handle_response(id, response, turns.now);
                node.with_buffers(&mut self.buffers, merge)
                    .expect("in flight");
            } else {
                self.traffic.failures += 1;
                let fail = |node: &mut Node<O>| node.handle_failure(id, Failure::Broken);
                node.with_buffers(&mut self.buffers, fail)
                    .expect("in flight");
                self.start(shard, turns, turn, to, number);
            }
        }
        self.answered = answered;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        gossip::config as gossip,
        overlay::{Arrange, Merge, Outgoing, OverlayError, Side, random::Random},
        simulator::{bootstrap::Bootstrap, faults::Crash},
        view::View,
    };

    fn run<O: Overlay<u32> + Clone + Send + Sync>(
        config: Config,
        overlay: O,
        rounds: u64,
    ) -> Rounds<O> {
        let mut simulation = Rounds::new(config, overlay).expect("valid settings");
        (0..rounds).for_each(|_| simulation.next_round());
        simulation
    }

    fn views<O: Overlay<u32> + Clone>(network: &Network<O>) -> Vec<(u32, View<u32>)> {
        let nodes = network.nodes();
        nodes.map(|(id, node)| (id, node.view().clone())).collect()
    }

    /// Takes down who has started the exchanges that are answered.
    #[derive(Debug, Clone)]
    struct Logged {
        overlay: Random,
        log: Arc<Mutex<Vec<u32>>>,
    }

    impl Overlay<u32> for Logged {
        fn check(&self, view_size: usize) -> Result<(), OverlayError> {
            Overlay::<u32>::check(&self.overlay, view_size)
        }

        fn arrange<R: rand::Rng + ?Sized>(
            &mut self,
            view: &mut View<u32>,
            arrange: Arrange<'_, u32>,
            rng: &mut R,
        ) -> Outgoing {
            if arrange.side == Side::Passive {
                self.log.lock().unwrap().push(*arrange.partner);
            }
            self.overlay.arrange(view, arrange, rng)
        }

        fn merge<R: rand::Rng + ?Sized>(
            &mut self,
            view: &mut View<u32>,
            merge: Merge<'_, u32>,
            rng: &mut R,
        ) {
            self.overlay.merge(view, merge, rng);
        }
    }

    #[test]
    fn the_number_of_threads_makes_no_difference() {
        let faults = Faults::none().with_churn(0.01).with_loss(0.05);
        let config = Config::new(MANY_NODES + 100)
            .with_faults(faults.with_crash(Crash {
                fraction: 0.3,
                round: 3,
            }))
            .with_gossip(gossip::Config::default().with_fanout(2))
            .with_bootstrap(Bootstrap::Star);
        let of = |threads| {
            let run = run(config.clone().with_threads(threads), Random::new(1, 14), 6);
            (run.traffic(), views(run.network()))
        };
        let alone = of(1);
        assert!(alone.0.failures > 0);
        assert!(of(2) == alone);
        assert!(of(3) == alone);
        assert!(of(1) == alone);
        assert!(run(config.with_seed(1), Random::new(1, 14), 6).traffic() != alone.0);
    }

    #[test]
    fn crashed_nodes_are_forgotten_and_churn_is_constant() {
        let crash = Crash {
            fraction: 0.5,
            round: 20,
        };
        let config = Config::new(600).with_faults(Faults::none().with_crash(crash));
        let mut simulation = run(config, Random::new(3, 12), 20);
        assert_eq!(simulation.network().len(), 300);
        assert!((0.4..0.6).contains(&simulation.network().graph().dead_share()));
        (0..30).for_each(|_| simulation.next_round());
        assert_eq!(simulation.network().graph().dead_share(), 0.0);

        let config = Config::new(400).with_faults(Faults::none().with_churn(0.001));
        let simulation = run(config, Random::new(3, 12), 50);
        assert_eq!(simulation.network().len(), 400);
        // 0.4 nodes per round.
        assert_eq!(simulation.network().ids(), 400 + 20);
    }

    #[test]
    fn what_is_lost_fails_and_what_is_cut_off_is_cut_off() {
        let config = Config::new(500).with_faults(Faults::none().with_loss(0.1));
        let traffic = run(config, Random::new(1, 14), 50).traffic();
        // One message of ten is lost, and each exchange has two.
        let failed = traffic.failures as f64 / (traffic.failures + traffic.exchanges) as f64;
        assert!((0.17..0.21).contains(&failed), "{failed}");

        let across = |until, rounds| {
            let faults = Faults::none().with_partition(5..until);
            let config = Config::new(500).with_faults(faults);
            let simulation = run(config, Random::new(1, 14), rounds);
            let side = |id| side(0, id);
            let nodes = simulation.network().nodes();
            let links = nodes.flat_map(|(id, node)| node.view().iter().map(move |d| (id, d.peer)));
            let across = links.clone().filter(|&(id, peer)| side(id) != side(peer));
            across.count() as f64 / links.count() as f64
        };
        let (before, cut, healed) = (across(15, 4), across(15, 14), across(15, 40));
        let shares = format!("{before} {cut} {healed}");
        assert!((0.4..0.6).contains(&before), "{shares}");
        assert!(cut < 0.3, "{shares}");
        assert!((0.4..0.6).contains(&healed), "{shares}");
        // Once the sides have forgotten each other, there is nobody to bring them together.
        assert_eq!(across(60, 80), 0.0);
    }

    #[test]
    fn every_bootstrap_fills_all_views() {
        for bootstrap in [
            Bootstrap::GROWING,
            Bootstrap::Lattice,
            Bootstrap::Star,
            Bootstrap::Chain,
            Bootstrap::Random,
        ] {
            let config = Config::new(200).with_bootstrap(bootstrap);
            let simulation = run(config, Random::new(1, 14), 60);
            let views = views(simulation.network());
            assert_eq!(views.len(), 200);
            assert!(
                views.iter().all(|(_, view)| view.len() == 30),
                "{bootstrap:?}"
            );
        }
    }

    /// The same exchanges, one after another.
    #[test]
    fn batches_come_out_as_one_exchange_after_another() {
        let (mut rounds, mut late) = (0, 0);
        for seed in 0..5 {
            let config = Config::new(1_500).with_seed(seed);
            let overlay = Random::swapper(30);
            let log = Arc::default();
            let logged = Logged {
                overlay,
                log: Arc::clone(&log),
            };
            let mut batched = Rounds::new(config.clone(), logged).expect("valid settings");
            let mut one_by_one = Rounds::new(config, overlay).expect("valid settings");
            for round in 1..=5 {
                batched.next_round();
                let order = mem::take(&mut *log.lock().unwrap());
                let now = one_by_one.network.config().gossip().period() * round;
                for from in &order {
                    let node = one_by_one.network.node_mut(*from).expect("live");
                    let exchange = node.poll_round(now).expect("one per round");
                    let partner = one_by_one.network.node_mut(exchange.partner);
                    let response = partner
                        .expect("live")
                        .handle_request(from, exchange.request);
                    let node = one_by_one.network.node_mut(*from).expect("live");
                    node.handle_response(exchange.id, response, now)
                        .expect("in flight");
                }
                if batched.traffic().overlapped > 0 {
                    break;
                }
                rounds += 1;
                assert!(
                    views(batched.network()) == views(one_by_one.network()),
                    "seed {seed}, round {round}"
                );
                let turns = order.iter().zip(&batched.order);
                late += turns.filter(|(answered, turn)| answered != turn).count();
            }
        }
        assert!(rounds > 10 && late > 10, "{rounds} rounds, {late} late");
    }
}
