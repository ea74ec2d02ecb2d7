//! What a node notes about an exchange that it has started, and how one ends.

use std::num::NonZeroU64;

use thiserror::Error;

use crate::gossip::ExchangeId;

/// What a node notes about an exchange that it has started.
#[derive(Debug)]
pub(super) struct Started<I> {
    /// What the swapper will remove. Per exchange: others may run in between.
    pub(super) sent: Vec<I>,
    /// The round that started it, and may make up for it.
    pub(super) round: Option<NonZeroU64>,
    /// Whether it tells nothing and asks for nothing.
    pub(super) is_probe: bool,
}

/// What became of an exchange that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<I> {
    /// The exchange.
    pub id: ExchangeId,
    /// The peer it was with.
    pub partner: I,
    /// Whether the partner left the view for it.
    pub removed: bool,
}

/// The outcome of an exchange that is not in flight: it was never started, has timed out, or its
/// outcome is already known. Caused by the caller or by a late answer; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an answer to nothing: this exchange is not in flight")]
pub struct UnknownExchange;
