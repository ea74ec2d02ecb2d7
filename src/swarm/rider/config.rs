//! Settings of a rider that do not depend on its protocol.

use std::time::Duration;

/// Settings of a [`Behaviour`](crate::rider::Behaviour) that do not depend on its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    exchange_timeout: Duration,
}

impl Default for Config {
    /// 10 s for an exchange, dialling included: as the sampler.
    fn default() -> Self {
        Self {
            exchange_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// How long an exchange may take, dialling included; 1 ms at least. Shorter times count as that.
    pub fn with_exchange_timeout(mut self, timeout: Duration) -> Self {
        self.exchange_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How long an exchange may take, dialling included.
    pub fn exchange_timeout(&self) -> Duration {
        self.exchange_timeout
    }
}
