//! One thread's share of the work of a round.

use std::{mem, ops::Range, sync::atomic::Ordering};

use rand::RngExt;

use crate::{
    gossip::{ExchangeId, Failure},
    sampling::{overlay::Overlay, sampler::buffers::Buffers},
    simulator::{
        adversary::attackers::{Attackers, Onset, within},
        chance::fork,
        config::Config,
        host::Host,
        network::{Contacts, Node, parts},
        rounds::mail::{Answered, Asked, Barrier, Mail, Worked, collect, post},
        traffic::Traffic,
    },
    time::Time,
};

/// The most turns of a batch (measured: with fewer, misses are waited for one by one; with more,
/// what was touched has left the fastest caches when its turn comes).
pub(super) const MAX_BATCH: usize = 256;

/// What all workers know of a round.
pub(super) struct Turns<'a> {
    pub(super) now: Time,
    pub(super) round: u64,
    pub(super) config: Config,
    pub(super) batch: usize,
    pub(super) order: &'a [u32],
    pub(super) live: &'a [bool],
    pub(super) attackers: Option<Attackers>,
    /// What these start, in the order of the turns.
    pub(super) onsets: &'a [Onset],
    pub(super) mail: &'a Mail,
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
        let there = match Host(to).is_hostile() {
            // Attackers are on both sides.
            true => !Host(to).is_fake(),
            false => !parts(&self.config, self.round, from, to) && self.live[to as usize],
        };
        if !there {
            return Fate::Unreachable;
        }
        let loss = self.config.faults().loss();
        if loss == 0.0 {
            return Fate::Succeeds;
        }
        let mut chance = fork(self.config.seed(), (from, self.round, number));
        match chance.random_bool(loss) {
            true => Fate::RequestLost,
            false if chance.random_bool(loss) => Fate::ResponseLost,
            false => Fate::Succeeds,
        }
    }
}

/// The nodes that one worker has for itself.
pub(super) struct Shard<'a, O> {
    pub(super) index: usize,
    pub(super) size: usize,
    pub(super) first: usize,
    pub(super) nodes: &'a mut [Option<Node<O>>],
    /// Empty where they are not noted.
    pub(super) contacts: &'a mut [Contacts],
}

impl<O> Shard<'_, O> {
    fn holds(&self, id: u32) -> bool {
        id as usize / self.size == self.index
    }
}

impl<O: Overlay<Host>> Shard<'_, O> {
    fn node(&mut self, id: u32) -> &mut Node<O> {
        let node = self.nodes[id as usize - self.first].as_mut();
        node.expect("nobody vanishes within a round")
    }

    fn note_contact(&mut self, id: u32, partner: u32, turns: &Turns<'_>) {
        if let Some(contacts) = self.contacts.get_mut(id as usize - self.first) {
            contacts.note(partner, turns.config.gossip().view_size());
        }
    }

    fn touch(&self, id: u32) {
        if let Some(node) = &self.nodes[id as usize - self.first] {
            node.touch();
        }
    }
}

/// One thread's share of the work, with storage to be used again.
#[derive(Debug)]
pub(super) struct Worker {
    ask: Vec<Vec<Asked>>,
    asked: Vec<Asked>,
    /// Requests whose receivers are not free yet.
    waiting: Vec<Asked>,
    answer: Vec<Vec<Answered>>,
    answered: Vec<Answered>,
    buffers: Buffers<Host>,
    pub(super) traffic: Traffic,
}

impl Worker {
    pub(super) fn new() -> Self {
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

    pub(super) fn work<O: Overlay<Host>>(
        &mut self,
        mut shard: Shard<'_, O>,
        turns: &Turns<'_>,
        barrier: &Barrier,
    ) {
        let _worked = Worked(barrier);
        let threads = turns.mail.threads;
        self.ask.resize_with(threads, Vec::new);
        self.answer.resize_with(threads, Vec::new);
        for (number, batch) in turns.order.chunks(turns.batch).enumerate() {
            let own = |id: &&u32| shard.holds(**id);
            batch.iter().filter(own).for_each(|&id| shard.touch(id));
            let first = number * turns.batch;
            self.attack(&shard, turns, first..first + batch.len());
            for (turn, &id) in (first..).zip(batch) {
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
    fn carry_out<O: Overlay<Host>>(
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
        self.answer(shard, turns.now, all);
        post(answered, *threads, shard.index, &mut self.answer);
        barrier.wait();
        collect(answered, *threads, shard.index, &mut self.answered, |a| {
            (a.turn, a.id)
        });
        self.finish(shard, turns);
    }

    /// How many exchanges are not over, all workers taken together.
    fn count_open<O>(&self, shard: &Shard<'_, O>, turns: &Turns<'_>, barrier: &Barrier) -> usize {
        let answers = self.answer.iter().map(Vec::len);
        let started = self.ask.iter().map(Vec::len).chain(answers).sum::<usize>();
        let open = self.waiting.len() + started;
        turns.mail.open[shard.index].store(open, Ordering::Relaxed);
        barrier.wait();
        let of_all = turns.mail.open.iter();
        of_all.map(|open| open.load(Ordering::Relaxed)).sum()
    }

    /// What attackers start in these turns comes to its receivers.
    fn attack<O>(&mut self, shard: &Shard<'_, O>, turns: &Turns<'_>, within_turns: Range<usize>) {
        let Some(attackers) = &turns.attackers else {
            return;
        };
        let onsets = within(turns.onsets, within_turns).iter();
        let own = onsets.filter(|onset| shard.holds(onset.to));
        self.asked.extend(own.map(|&onset| Asked {
            turn: onset.turn,
            from: onset.from,
            to: onset.to,
            // Unlike those of nodes, which count up.
            id: ExchangeId::new(u64::MAX - u64::from(onset.number)),
            request: attackers.request(onset, turns.round),
            number: 0,
            response_lost: true,
        }));
    }

    /// A node's turn: it starts what it has to start.
    fn start<O: Overlay<Host>>(
        &mut self,
        shard: &mut Shard<'_, O>,
        turns: &Turns<'_>,
        turn: usize,
        id: u32,
        mut number: u32,
    ) {
        let (index, size) = (shard.index, shard.size);
        let node = shard.node(id);
        let poll = |node: &mut Node<O>| node.poll_round(turns.now);
        while let Some(exchange) = node.with_buffers(&mut self.buffers, poll) {
            let fate = turns.fate(id, exchange.partner, number);
            number += 1;
            let failure = match fate {
                Fate::Unreachable if turns.config.faults().unreachable_stay() => {
                    Some(Failure::Refused)
                }
                Fate::Unreachable => Some(Failure::Unreachable),
                Fate::RequestLost => Some(Failure::Broken),
                Fate::ResponseLost | Fate::Succeeds => None,
            };
            if !matches!(fate, Fate::Unreachable) {
                self.traffic.requests += 1;
                self.traffic.descriptors += exchange.request.descriptors.len() as u64;
            }
            let partner = Host(exchange.partner);
            if let Some(failure) = failure {
                self.traffic.failures += 1;
                self.traffic.victim_dials += u64::from(partner.is_fake());
                let fail =
                    |node: &mut Node<O>| node.handle_failure(exchange.id, failure, turns.now);
                node.with_buffers(&mut self.buffers, fail)
                    .expect("just started");
                self.buffers.keep(exchange.request.descriptors);
                continue;
            }
            let response_lost = matches!(fate, Fate::ResponseLost);
            if let Some(attackers) = turns.attackers.filter(|_| partner.is_hostile()) {
                self.buffers.keep(exchange.request.descriptors);
                let answer = || attackers.answer(exchange.partner, id, turns.round);
                self.answer[index].push(Answered {
                    turn,
                    to: id,
                    id: exchange.id,
                    number,
                    response: (!response_lost).then(answer),
                });
                continue;
            }
            self.ask[exchange.partner as usize / size].push(Asked {
                turn,
                from: id,
                to: exchange.partner,
                id: exchange.id,
                request: exchange.request,
                number,
                response_lost,
            });
        }
    }

    /// The partners answer.
    fn answer<O: Overlay<Host>>(&mut self, shard: &mut Shard<'_, O>, now: Time, all: bool) {
        for asked in self.asked.drain(..) {
            let node = shard.node(asked.to);
            if node.in_flight() > 0 {
                if !all {
                    self.waiting.push(asked);
                    continue;
                }
                self.traffic.overlapped += 1;
            }
            let answer = |node: &mut Node<O>| node.handle_request(&asked.from, asked.request, now);
            let response = node.with_buffers(&mut self.buffers, answer);
            self.traffic.responses += 1;
            self.traffic.descriptors += response.descriptors.len() as u64;
            if Host(asked.from).is_hostile() {
                self.buffers.keep(response.descriptors);
                continue;
            }
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
    fn finish<O: Overlay<Host>>(&mut self, shard: &mut Shard<'_, O>, turns: &Turns<'_>) {
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
                // It may have had more to start than could be in flight at once.
                let held_back = node.is_saturated();
                let merge = |node: &mut Node<O>| node.handle_response(id, response, turns.now);
                let merged = node.with_buffers(&mut self.buffers, merge);
                let partner = merged.expect("in flight");
                shard.note_contact(to, partner, turns);
                if held_back {
                    self.start(shard, turns, turn, to, number);
                }
            } else {
                self.traffic.failures += 1;
                let fail = |node: &mut Node<O>| node.handle_failure(id, Failure::Broken, turns.now);
                node.with_buffers(&mut self.buffers, fail)
                    .expect("in flight");
                self.start(shard, turns, turn, to, number);
            }
        }
        self.answered = answered;
    }
}
