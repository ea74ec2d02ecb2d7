//! What an operator should know of: as warnings, each kind once in a while.

use std::{mem, time::Duration};

use libp2p_identity::PeerId;
use libp2p_swarm::StreamProtocol;

use crate::swarm::{
    counters::{Reason, Tally},
    exchanger::error::ExchangeError,
    node::strain::Health,
    sampling::event::{Event, SeedError},
};
use crate::time::Time;

/// How long a warning of one kind is not repeated, whatever its peer or seed. A guess, as long as
/// the application is not told again of the same refusal.
const QUIET: Duration = Duration::from_secs(60);

/// How many exchanges in a row may succeed and leave the view empty, before that is worth a
/// warning. A guess: the first node of a network has one or two such exchanges.
const MOST_BARREN: u32 = 3;

/// Turns events that call for an operator into warnings. There is at most one of each kind in
/// [`QUIET`], with the number of those left out: other nodes can cause as many as they like.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    other_network: Quiet,
    misnamed: Quiet,
    overloaded: Quiet,
    strained: Quiet,
    nobody: Quiet,
    /// How many exchanges in a row have succeeded and left the view empty.
    barren: u32,
    /// How many streams had been refused for overload at the last warning.
    overloads: u64,
}

impl Warnings {
    /// The application is about to be told of `event`.
    pub(crate) fn on_event(
        &mut self,
        event: &Event,
        protocol: &StreamProtocol,
        tally: &Tally,
        now: Time,
    ) {
        match event {
            Event::SeedFailed {
                address,
                error: SeedError::Exchange(ExchangeError::Outbound(error)),
            } if error.reason() == Reason::Unsupported => {
                if let Some(suppressed) = self.other_network.take(now) {
                    tracing::warn!(
                        %address, %protocol, suppressed,
                        "A seed does not speak the protocol: is it of another network? \
                         See Config::with_network"
                    );
                }
            }
            Event::InboundFailed { error, .. } if error.reason() == Reason::Overloaded => {
                self.overloaded(tally, now);
            }
            Event::Health(Health::Overloaded { .. }) => {
                if let Some(suppressed) = self.strained.take(now) {
                    tracing::warn!(
                        suppressed,
                        "This node gets its turns too late: the process or the machine has too \
                         much to do. It makes fewer exchanges, and reads fewer requests"
                    );
                }
            }
            Event::Exchanged { view_len, .. } => {
                self.barren = match view_len {
                    0 => self.barren.saturating_add(1),
                    _ => 0,
                };
                if self.barren > MOST_BARREN
                    && let Some(suppressed) = self.nobody.take(now)
                {
                    tracing::warn!(
                        suppressed,
                        "Exchanges succeed and bring nobody: the others advertise no address, or \
                         none that this node admits. Do all nodes have the same preset?"
                    );
                }
            }
            _ => {}
        }
    }

    /// `peer` sends as its own a record that `signer` has signed.
    pub(crate) fn misnamed(&mut self, peer: PeerId, signer: PeerId, now: Time) {
        tracing::debug!(%peer, %signer, "A record is passed over: not signed by its sender");
        if let Some(suppressed) = self.misnamed.take(now) {
            tracing::warn!(
                %peer, %signer, suppressed,
                "A peer sends a record as its own that another key has signed: was its behaviour \
                 built with another keypair than its swarm's?"
            );
        }
    }

    fn overloaded(&mut self, tally: &Tally, now: Time) {
        if self.overloaded.take(now).is_none() {
            return;
        }
        // Most refusals come to no event.
        let total = tally.snapshot().refused(Reason::Overloaded);
        let refused = total - mem::replace(&mut self.overloads, total);
        tracing::warn!(
            refused,
            "Overloaded: streams of other nodes are refused. \
             See Limits::requests_per_second and Limits::inbound_streams_overall"
        );
    }
}

/// Says something at most once in [`QUIET`].
#[derive(Debug, Default)]
struct Quiet {
    until: Time,
    suppressed: u64,
}

impl Quiet {
    /// Whether to say it now; if so, how often it was not said since the last time.
    /// `Some(None)`: it was said each time.
    #[expect(clippy::option_option, reason = "a field that is `None` is not logged")]
    fn take(&mut self, now: Time) -> Option<Option<u64>> {
        if now < self.until {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.until = now.saturating_add(QUIET);
        let suppressed = mem::take(&mut self.suppressed);
        Some((suppressed > 0).then_some(suppressed))
    }
}

#[cfg(test)]
mod tests {
    use libp2p_identity::PeerId;
    use libp2p_swarm::ConnectionId;

    use super::*;
    use crate::swarm::{
        handler::{InboundError, OutboundError},
        logged::logged,
        sampling::{config::PROTOCOL_NAME, event::Direction},
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn warned(
        warnings: &mut Warnings,
        tally: &Tally,
        event: impl Fn() -> Event,
        now: Time,
    ) -> Vec<String> {
        let protocol = StreamProtocol::new("/main/peer-sampling/1.0.0");
        logged(|| warnings.on_event(&event(), &protocol, tally, now))
    }

    #[test]
    fn a_seed_of_another_network_is_warned_of_once_a_minute() {
        let (mut warnings, tally) = (Warnings::default(), Tally::default());
        let event = || Event::SeedFailed {
            address: "/memory/7".parse().expect("a multiaddr"),
            error: SeedError::Exchange(OutboundError::Unsupported(PROTOCOL_NAME).into()),
        };
        let first = warned(&mut warnings, &tally, event, Time::new(SECOND));
        assert_eq!(first.len(), 1, "{first:?}");
        let parts = ["WARN", "/memory/7", "/main/", "with_network"];
        assert!(
            parts.iter().all(|part| first[0].contains(part)),
            "{first:?}"
        );
        assert!(!first[0].contains("suppressed"), "{first:?}");
        for _ in 0..3 {
            let again = warned(&mut warnings, &tally, event, Time::new(QUIET));
            assert!(again.is_empty(), "{again:?}");
        }
        let later = warned(&mut warnings, &tally, event, Time::new(QUIET + SECOND));
        assert!(later[0].contains("suppressed=3"), "{later:?}");
        // A seed that is only down is no operator's business.
        let absent = || Event::SeedFailed {
            address: "/memory/7".parse().expect("a multiaddr"),
            error: SeedError::Timeout,
        };
        assert!(warned(&mut warnings, &tally, absent, Time::new(9 * QUIET)).is_empty());
    }

    #[test]
    fn exchanges_that_bring_nobody_are_warned_of() {
        let (mut warnings, tally) = (Warnings::default(), Tally::default());
        let event = |view_len| Event::Exchanged {
            peer: PeerId::random(),
            direction: Direction::Outbound,
            received: 0,
            view_len,
        };
        let mut warned = |view_len, second| {
            let now = Time::new(second * SECOND);
            !warned(&mut warnings, &tally, || event(view_len), now).is_empty()
        };
        for second in 0..=MOST_BARREN {
            assert_eq!(warned(0, second), second == MOST_BARREN);
        }
        assert!(!warned(0, MOST_BARREN + 1), "again at once");
        // Somebody is known, then nobody again.
        assert!(!warned(1, 100));
        assert!(!warned(0, 101), "at once");
    }

    #[test]
    fn overload_is_warned_of_once_a_minute_with_all_refusals() {
        let (mut warnings, tally) = (Warnings::default(), Tally::default());
        let event = || Event::InboundFailed {
            peer: PeerId::random(),
            connection_id: ConnectionId::new_unchecked(1),
            error: InboundError::Overloaded,
        };
        tally.refuse(Reason::Overloaded);
        let first = warned(&mut warnings, &tally, event, Time::new(SECOND));
        assert!(
            first[0].starts_with("WARN") && first[0].contains("refused=1"),
            "{first:?}"
        );
        (0..500).for_each(|_| tally.refuse(Reason::Overloaded));
        assert!(warned(&mut warnings, &tally, event, Time::new(2 * SECOND)).is_empty());
        let later = warned(&mut warnings, &tally, event, Time::new(QUIET + SECOND));
        assert!(later[0].contains("refused=500"), "{later:?}");
    }
}
