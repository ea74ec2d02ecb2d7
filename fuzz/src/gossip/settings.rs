//! What kind of node it is.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use libp2p_peer_sampling::{
    sampler::{Config, Diversity, PartnerSelection, Propagation},
    time::Backoff,
};

/// Settings, some of which cannot work.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub kind: Kind,
    pub view_size: usize,
    pub fanout: usize,
    pub retries: usize,
    pub propagation: Propagation,
    pub selection: PartnerSelection,
    pub exchange_timeout: Duration,
    pub quarantine: Option<(Duration, Duration)>,
    pub diversity: Option<Diversity>,
    pub seed: u64,
    /// Whether a second node is given the same.
    pub with_twin: bool,
}

/// The overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Fixed {
        healer: usize,
        swapper: usize,
    },
    Adaptive,
    Cyclon {
        shuffle_length: usize,
    },
    Basalt {
        shuffle_length: usize,
        renewal: (usize, usize),
        tickets: Option<(u32, u32)>,
        memory: usize,
    },
}

/// The time between rounds, and the pause between eager ones.
pub const PERIOD: Duration = Duration::from_secs(10);
pub const EAGER_DELAY: Duration = Duration::from_millis(100);

impl Settings {
    pub fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let [flags, size, overlay, partners, hands, seed]: [u8; 6] = input.arbitrary()?;
        // One in 16 is not cut to what works.
        let anything = flags >= 0xf0;
        let within = |byte: u8, least: usize, most: usize| match anything {
            true => usize::from(byte),
            false => least + usize::from(byte) % (most + 1 - least),
        };
        let view_size = within(size % 32, 2, 24);
        let kind = match flags & 3 {
            0 if size >= 128 => Kind::Adaptive,
            0 => {
                let healer = within(overlay & 15, 0, view_size / 2);
                let rest = (view_size / 2).saturating_sub(healer);
                let swapper = within(overlay >> 4, 0, rest);
                Kind::Fixed { healer, swapper }
            }
            1 | 2 => Kind::Basalt {
                shuffle_length: within(overlay & 7, 1, view_size),
                renewal: (
                    within((overlay >> 3) & 3, 1, view_size),
                    within((overlay >> 5) & 1, 1, 2),
                ),
                tickets: (overlay >> 6 != 0).then(|| (u32::from(overlay >> 6) - 1, 2)),
                memory: [usize::MAX, 60, 8, 1][usize::from(seed >> 6)],
            },
            _ => Kind::Cyclon {
                shuffle_length: within(overlay & 31, 1, view_size),
            },
        };
        Ok(Self {
            kind,
            view_size,
            fanout: within(partners & 3, 1, view_size),
            retries: within((partners >> 2) & 3, 0, view_size),
            propagation: match (partners >> 4) & 3 {
                0 => Propagation::Push,
                1 => Propagation::Pull,
                _ => Propagation::PushPull,
            },
            selection: match partners >> 6 {
                0 => PartnerSelection::Head,
                1 => PartnerSelection::Rand,
                _ => PartnerSelection::Tail,
            },
            exchange_timeout: match flags & 4 {
                0 => Duration::from_secs(5),
                _ => Duration::from_secs(60),
            },
            quarantine: (flags & 8 != 0)
                .then_some((Duration::from_secs(10), Duration::from_secs(60))),
            diversity: (flags & 16 != 0).then(|| Diversity {
                per_source: within(hands & 7, 1, view_size),
                per_prefix: within((hands >> 3) & 3, 1, view_size),
                per_round: within(hands >> 5, 1, 8),
            }),
            seed: seed.into(),
            with_twin: flags & 0x60 == 0x60,
        })
    }

    pub fn config(&self) -> Config {
        Config::default()
            .with_view_size(self.view_size)
            .with_period(PERIOD)
            .with_eager_delay(EAGER_DELAY)
            .with_exchange_timeout(self.exchange_timeout)
            .with_fanout(self.fanout)
            .with_retries(self.retries)
            .with_propagation(self.propagation)
            .with_selection(self.selection)
            .with_quarantine(
                self.quarantine
                    .map(|(first, longest)| Backoff::new(first, longest)),
            )
            .with_diversity(self.diversity)
    }

    /// Whether a node can be made of them, as the documents say.
    pub fn is_valid(&self) -> bool {
        let c = self.view_size;
        let overlay = match self.kind {
            Kind::Fixed { healer, swapper } => healer + swapper <= c / 2,
            Kind::Adaptive => true,
            Kind::Cyclon { shuffle_length } => (1..=c).contains(&shuffle_length),
            Kind::Basalt {
                shuffle_length,
                renewal: (slots, rounds),
                ..
            } => (1..=c).contains(&shuffle_length) && (1..=c).contains(&slots) && rounds > 0,
        };
        let diverse = self.diversity.is_none_or(|diversity| {
            diversity.per_source >= 1 && diversity.per_prefix >= 1 && diversity.per_round >= 1
        });
        (2..=10_000).contains(&c)
            && (1..=c).contains(&self.fanout)
            && self.retries <= c
            && overlay
            && diverse
    }

    pub fn pulls(&self) -> bool {
        self.propagation != Propagation::Push
    }

    pub fn pushes(&self) -> bool {
        self.propagation != Propagation::Pull
    }
}
