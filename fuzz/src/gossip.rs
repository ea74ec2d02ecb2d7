//! One node: every input in any order, against a model that knows which exchanges are under way,
//! when rounds are due, and who may be in the view at which age.

mod model;
mod settings;

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use libp2p_peer_sampling::{
    PeerSampling, Selection,
    fuzzing::{self, Buffers},
    gossip::{Exchange, ExchangeId, Failure},
    overlay::{Basalt, Cyclon, Overlay, Random, Ranking},
    sampler::{Request, Response, Sampler},
    time::Time,
    view::Descriptor,
};
use rand::{SeedableRng, rngs::SmallRng};

use self::{
    model::Model,
    settings::{Kind, Settings},
};
use super::host::{self, Host};

/// The node itself. Others may claim to be it.
const OURSELVES: u8 = 0;

type Node<O> = Sampler<Host, O, SmallRng>;

/// Gives a node the inputs that `data` names, until it ends.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(settings) = Settings::read(&mut input) else {
        return;
    };
    match settings.kind {
        Kind::Fixed { healer, swapper } => live(settings, Random::new(healer, swapper), input),
        Kind::Adaptive => live(settings, Random::adaptive(settings.view_size), input),
        Kind::Cyclon { shuffle_length } => live(settings, Cyclon::new(shuffle_length), input),
        Kind::Basalt {
            shuffle_length,
            renewal: (slots, rounds),
            tickets,
            memory,
        } => {
            let ranking = tickets.map_or(Ranking::Identity, |(wide, narrow)| Ranking::Prefixes {
                wide,
                narrow,
            });
            let basalt = Basalt::new(shuffle_length)
                .with_renewal(slots, rounds)
                .with_memory(memory);
            live(settings, basalt.with_ranking(ranking), input);
        }
    }
}

fn live<O: Overlay<Host> + Clone>(settings: Settings, overlay: O, mut input: Unstructured<'_>) {
    let node = || {
        let rng = SmallRng::seed_from_u64(settings.seed);
        Sampler::new(OURSELVES, settings.config(), overlay.clone(), rng)
    };
    let made = node();
    assert_eq!(made.is_ok(), settings.is_valid(), "{settings:?}");
    if let Ok(first) = made {
        let twin = if settings.with_twin {
            node().ok()
        } else {
            None
        };
        let mut life = Life {
            nodes: [Some(first), twin],
            model: Model::new(settings),
            started: Vec::new(),
            buffers: Buffers::new(1),
            now: Time::ZERO,
        };
        // Behind its end an input has zeros, so this is what ends it.
        while !input.is_empty() && life.step(&mut input).is_ok() {}
    }
}

struct Life<O> {
    /// The node, and perhaps another that is given the same, and must do the same.
    nodes: [Option<Node<O>>; 2],
    model: Model,
    /// Every exchange that was ever started.
    started: Vec<ExchangeId>,
    buffers: Buffers<Host>,
    now: Time,
}

impl<O: Overlay<Host>> Life<O> {
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.arbitrary::<u8>()? % 16 {
            0 | 1 => self.advance(input)?,
            2 => self.time_out(),
            3 | 4 => while self.round() {},
            5 => self.exchange_with(host::id(input)?),
            6 | 7 => self.request(input)?,
            8 | 9 => self.response(input)?,
            10 | 11 => self.failure(input)?,
            12 => self.init(input)?,
            13 => {
                let id = host::id(input)?;
                let removed = self.both(|node| node.remove(&id));
                self.model.removed_by_hand(id, removed);
            }
            14 => self.sample(input)?,
            _ => match input.arbitrary::<u8>()? {
                0xe0..0xf0 => {
                    self.both(Node::reconsider);
                    self.model.reconsidered();
                }
                0xf0.. => self.instead(input)?,
                byte if byte % 4 == 0 => {
                    let now = self.now;
                    self.both(|node| node.hasten(now));
                    self.model.clock.hastened(now);
                }
                byte if byte % 4 == 1 => {
                    self.both(|node| node.set_local(None));
                    self.model.local = None;
                }
                _ => {
                    let version = input.arbitrary::<u8>()? % 4;
                    let local = Host {
                        id: OURSELVES,
                        version,
                    };
                    self.both(|node| node.set_local(Some(local)));
                    self.model.local = Some(local);
                }
            },
        }
        self.check();
        Ok(())
    }

    /// The time moves on, by little or much, or to the next thing there is to do.
    fn advance(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let by = match input.arbitrary::<u8>()? {
            byte @ 0..0x40 => Duration::from_millis(u64::from(byte) * 10),
            byte @ 0x40..0x80 => Duration::from_secs(u64::from(byte - 0x3f)),
            0xff => Duration::MAX / 4,
            _ => {
                let wake = self.node().next_wake().map(|wake| wake.at);
                self.now = self.now.max(wake.unwrap_or(self.now));
                Duration::ZERO
            }
        };
        self.now = self.now.saturating_add(by);
        Ok(())
    }

    fn time_out(&mut self) {
        let now = self.now;
        while let Some(failed) = self.both(|node| node.poll_expired(now)) {
            let started = self.model.in_flight.timed_out(failed.id, now);
            self.model
                .failed(started, Failure::Broken, now, failed.removed);
            assert_eq!(failed.partner, started.partner);
            self.check();
        }
        self.model.in_flight.none_timed_out(now);
    }

    /// Returns whether an exchange was started.
    fn round(&mut self) -> bool {
        let now = self.now;
        let before = self.view();
        let exchange = self.both(|node| node.poll_round(now));
        let view = self.view();
        let partner = exchange.as_ref().map(|exchange| exchange.partner);
        let before = self.model.round(partner, (&before, &view), now);
        match exchange {
            Some(exchange) => {
                let round = self.model.clock.rounds;
                self.started(&exchange, Some(round), (&before, &view));
                self.check();
                true
            }
            None => {
                assert_eq!(view, before);
                false
            }
        }
    }

    fn exchange_with(&mut self, partner: u8) {
        let now = self.now;
        let before = self.view();
        let exchange = self.both(|node| node.exchange_with(partner, now));
        let view = self.view();
        let free = partner != OURSELVES && self.model.may_start_with(partner);
        assert_eq!(exchange.is_some(), free);
        match exchange {
            Some(exchange) => {
                assert_eq!(exchange.partner, partner);
                self.started(&exchange, None, (&before, &view));
            }
            None => assert_eq!(view, before),
        }
    }

    /// An exchange is refused, and made with somebody else.
    fn instead(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let id = self.exchange_id(input)?;
        let partner = host::id(input)?;
        let now = self.now;
        let before = self.view();
        let may = self.model.may_be_with(id, partner);
        let exchange = self.both(|node| node.exchange_instead(id, partner, now));
        let view = self.view();
        assert_eq!(exchange.is_some(), may);
        match (
            exchange,
            may.then(|| self.model.in_flight.finish(id)).flatten(),
        ) {
            (Some(exchange), Some(refused)) => {
                assert_eq!(exchange.partner, partner);
                let round = self.model.replaced(&refused, partner);
                self.started(&exchange, round, (&before, &view));
            }
            _ => assert_eq!(view, before),
        }
        Ok(())
    }

    fn started(
        &mut self,
        exchange: &Exchange<u8, Request<Host>>,
        round: Option<u64>,
        views: (&[Descriptor<Host>], &[Descriptor<Host>]),
    ) {
        assert!(!self.started.contains(&exchange.id), "an id twice");
        self.started.push(exchange.id);
        self.model.started(exchange, round, views, self.now);
    }

    fn request(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let [from, flags]: [u8; 2] = input.arbitrary()?;
        let from = from % host::PEERS;
        let room = match flags >> 2 {
            room @ 0..16 => usize::from(room),
            _ => usize::MAX,
        };
        let request = Request {
            descriptors: host::descriptors(input, 32)?,
            pull: flags & 1 == 0,
            room,
        };
        let now = self.now;
        let before = self.view();
        let mut buffers = std::mem::replace(&mut self.buffers, Buffers::new(1));
        let borrow = flags & 2 != 0;
        let response = self.both(|node| {
            let request = request.clone();
            match borrow {
                false => node.handle_request(&from, request, now),
                true => buffers.work(node, |node| node.handle_request(&from, request, now)),
            }
        });
        self.buffers = buffers;
        let view = self.view();
        self.model
            .requested((from, &request), &response, (&before, &view), now);
        if borrow {
            self.buffers.keep(response.descriptors);
        }
        Ok(())
    }

    fn response(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let id = self.exchange_id(input)?;
        let response = Response {
            descriptors: host::descriptors(input, 32)?,
        };
        let now = self.now;
        let before = self.view();
        let done = self.both(|node| node.handle_response(id, response.clone(), now));
        let view = self.view();
        match (self.model.in_flight.finish(id), done) {
            (Some(started), Ok(partner)) => {
                assert_eq!(partner, started.partner);
                self.model
                    .answered(&started, &response, (&before, &view), now);
            }
            (None, Err(_)) => assert_eq!(view, before),
            (started, done) => panic!("{started:?}, and {done:?}"),
        }
        Ok(())
    }

    fn failure(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let id = self.exchange_id(input)?;
        let failure = match input.arbitrary::<u8>()? % 4 {
            0 => Failure::Unreachable,
            1 => Failure::Unsupported,
            2 => Failure::Broken,
            _ => Failure::Refused,
        };
        let now = self.now;
        let before = self.view();
        let failed = self.both(|node| node.handle_failure(id, failure, now));
        match (self.model.in_flight.finish(id), failed) {
            (Some(started), Ok(failed)) => {
                assert_eq!((failed.id, failed.partner), (id, started.partner));
                self.model.failed(started, failure, now, failed.removed);
            }
            (None, Err(_)) => assert_eq!(self.view(), before),
            (started, failed) => panic!("{started:?}, and {failed:?}"),
        }
        Ok(())
    }

    /// One of those under way, one that is over, or one that never was.
    fn exchange_id(&mut self, input: &mut Unstructured<'_>) -> Result<ExchangeId> {
        let byte = input.arbitrary::<u8>()?;
        let at = usize::from(byte & 0x3f);
        Ok(match byte >> 6 {
            0..3 if self.model.in_flight.len() > 0 => {
                self.model.in_flight.nth(at % self.model.in_flight.len())
            }
            3 if !self.started.is_empty() => self.started[at % self.started.len()],
            _ => ExchangeId::new(u64::MAX - u64::from(byte)),
        })
    }

    fn init(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let count = usize::from(input.arbitrary::<u8>()? % 32);
        let count = count.min(input.len() / 2);
        let hosts = (0..count)
            .map(|_| host::host(input))
            .collect::<Result<Vec<_>>>()?;
        let entered = self.both(|node| node.init(hosts.iter().copied()));
        let view = self.view();
        assert_eq!(entered, self.model.init(&hosts, &view));
        Ok(())
    }

    fn sample(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let selection = match input.arbitrary::<u8>()? % 8 {
            0 => Selection::Head,
            1 => Selection::Tail,
            2 => {
                let mut sent = Vec::new();
                let count = self.both(|node| node.broadcast(|peer| sent.push(peer)));
                // Once by each node.
                sent.truncate(count);
                let view: Vec<Host> = self.view().iter().map(|d| d.peer).collect();
                assert_eq!(sent, view);
                self.model
                    .handed_out
                    .extend(view.iter().map(|host| host.id));
                return Ok(());
            }
            _ => Selection::Uniform,
        };
        let peer = self.both(|node| node.select_peer(selection));
        self.model.handed_out(selection, peer);
        Ok(())
    }

    fn node(&self) -> &Node<O> {
        self.nodes[0].as_ref().expect("the first is always there")
    }

    fn view(&self) -> Vec<Descriptor<Host>> {
        self.node().view().as_slice().to_vec()
    }

    /// The same seed and the same inputs give the same outputs.
    fn both<T: std::fmt::Debug + PartialEq>(
        &mut self,
        mut input: impl FnMut(&mut Node<O>) -> T,
    ) -> T {
        let mut outputs = self
            .nodes
            .each_mut()
            .map(|node| node.as_mut().map(&mut input));
        let second = outputs[1].take();
        let first = outputs[0].take().expect("the first is always there");
        if let Some(second) = second {
            assert_eq!(first, second);
        }
        first
    }

    /// What always holds.
    fn check(&self) {
        let [node, twin] = &self.nodes;
        let node = node.as_ref().expect("the first is always there");
        self.model.check(node.view().as_slice());
        let wake = node.next_wake().map(|wake| wake.at);
        assert_eq!(wake, self.model.next_wake());
        assert_eq!(node.in_flight(), self.model.in_flight.len());
        self.model
            .in_flight
            .check_overdue(node.overdue(self.now), self.now);
        assert_eq!(node.is_saturated(), node.in_flight() == 64);
        assert_eq!(node.local(), self.model.local.as_ref());
        assert_eq!(node.view_len(), node.view().len());
        if let Some(twin) = twin {
            assert_eq!(node.view(), twin.view());
            assert_eq!(node.next_wake(), twin.next_wake());
        }
        fuzzing::touch(node);
    }
}
