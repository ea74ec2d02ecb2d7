//! Which nodes have heard which message.

use std::time::Duration;

use crate::gossip::gauge::Phase;

#[derive(Debug)]
struct Message {
    phase: Phase,
    at: Duration,
    /// The nodes that ran when the message was published, without the speaker. None of them stops
    /// before the phase of the message ends.
    audience: Vec<usize>,
    /// Whether gossipsub took it.
    sent: bool,
    /// By node, how often it was heard.
    heard: Vec<u8>,
    /// How long it took until the last has heard it.
    slowest: Duration,
}

/// What came of the messages of one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    pub messages: usize,
    /// How often they should have been heard in all: by each of the other nodes, each once.
    pub wanted: usize,
    pub heard: usize,
    /// Heard more than once, or by nobody who was to hear it.
    pub superfluous: usize,
    /// Messages that gossipsub would not send.
    pub unsent: usize,
    pub slowest: Duration,
}

impl Delivery {
    /// Whether everybody has heard everything, once.
    pub fn is_complete(&self) -> bool {
        self.heard == self.wanted && self.superfluous == 0
    }
}

/// All messages and who has heard them.
#[derive(Debug)]
pub struct Ledger {
    nodes: usize,
    messages: Vec<Message>,
}

impl Ledger {
    pub fn new(nodes: usize) -> Self {
        let messages = Vec::new();
        Self { nodes, messages }
    }

    /// The number of a message that is about to be published.
    pub fn begin(&mut self, speaker: usize, there: &[usize], phase: Phase, at: Duration) -> usize {
        let audience = there.iter().copied().filter(|node| *node != speaker);
        self.messages.push(Message {
            phase,
            at,
            audience: audience.collect(),
            sent: false,
            heard: vec![0; self.nodes],
            slowest: Duration::ZERO,
        });
        self.messages.len() - 1
    }

    pub fn sent(&mut self, message: usize) {
        self.messages[message].sent = true;
    }

    pub fn heard(&mut self, message: usize, by: usize, at: Duration) {
        let Some(message) = self.messages.get_mut(message) else {
            return;
        };
        message.heard[by] = message.heard[by].saturating_add(1);
        message.slowest = message.slowest.max(at.saturating_sub(message.at));
    }

    pub fn delivery(&self, phase: Phase) -> Delivery {
        let mut delivery = Delivery::default();
        for message in self.messages.iter().filter(|m| m.phase == phase) {
            delivery.messages += 1;
            delivery.unsent += usize::from(!message.sent);
            delivery.wanted += message.audience.len();
            let heard = message.audience.iter();
            let heard = heard.filter(|node| message.heard[**node] > 0).count();
            delivery.heard += heard;
            let all: usize = message.heard.iter().copied().map(usize::from).sum();
            delivery.superfluous += all - heard;
            delivery.slowest = delivery.slowest.max(message.slowest);
        }
        delivery
    }

    /// The messages of a phase that somebody has missed: when they were said, and who.
    pub fn missed(&self, phase: Phase) -> Vec<(Duration, Vec<usize>)> {
        let messages = self.messages.iter().filter(|m| m.phase == phase);
        let missed = messages.map(|message| {
            let missing = message.audience.iter().copied();
            let missing = missing.filter(|node| message.heard[*node] == 0);
            (message.at, missing.collect::<Vec<_>>())
        });
        missed.filter(|(_, missing)| !missing.is_empty()).collect()
    }
}
