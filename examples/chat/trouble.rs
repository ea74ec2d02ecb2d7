//! The latest failures, for a user who wonders why no peer answers.

use std::collections::VecDeque;

use libp2p_peer_sampling::Event;
use tokio::time::Instant;

use super::node::printable;

/// How many failures are remembered.
const REMEMBERED: usize = 20;

/// The latest failures, latest last.
#[derive(Debug, Default)]
pub struct Troubles(VecDeque<(Instant, String)>);

impl Troubles {
    /// Remembers the event if it tells of a failure.
    pub fn note(&mut self, event: &Event) {
        let text = match event {
            Event::ExchangeFailed {
                peer,
                error,
                removed,
            } => {
                let left = if *removed { ", and left the view" } else { "" };
                format!("no exchange with {peer}: {error}{left}")
            }
            Event::InboundFailed { peer, error, .. } => {
                format!("the exchange that {peer} started has failed: {error}")
            }
            Event::NeighbourDown { peer, reason } => {
                format!("{peer} is no longer a neighbour: {reason}")
            }
            Event::SeedFailed { address, error } => format!("seed {address}: {error}"),
            Event::NotAdvertising(why) => why.to_string(),
            _ => return,
        };
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), printable(&text)));
    }

    pub fn print(&self) {
        if self.0.is_empty() {
            println!("nothing has failed so far");
        }
        for (at, text) in &self.0 {
            println!("{:.0?} ago: {text}", at.elapsed());
        }
    }
}
