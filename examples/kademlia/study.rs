//! One network, from the first join to the last record.

use std::time::Duration;

use futures::future::try_join_all;
use libp2p::{identity::Keypair, kad};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep_until};

use super::{
    member::{Member, Tally},
    node::{Discovery, Failure, Options},
};

/// The parts of the measured time, in per cent, after which the routing tables are looked at.
pub const LOOKS: [u32; 3] = [10, 30, 100];

/// What all networks of a study have in common.
#[derive(Debug, Clone, Copy)]
pub struct Study {
    /// The seed included.
    pub nodes: usize,
    pub records: usize,
    /// Between one node's join and the next one's.
    pub every: Duration,
    pub period: Duration,
    /// How long it is measured after the last join, in rounds.
    pub rounds: u32,
    pub idle: Duration,
    pub identify: bool,
    /// From which all identities come, and who puts the records.
    pub seed: u64,
}

/// What came of one network.
#[derive(Debug)]
pub struct Measured {
    pub discovery: Discovery,
    /// How many peers are in each routing table, at each look; the seed's first.
    pub tables: Vec<Vec<usize>>,
    /// What each node has had to do up to the last look; the seed's first.
    pub tallies: Vec<Tally>,
    pub lasted: Duration,
    /// Of the records put while the seed was there.
    pub before: Found,
    /// Of the same, and of as many that were put when the seed was gone.
    pub after: Found,
}

/// How many records were found, of how many that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    pub found: usize,
    pub asked: usize,
}

impl Study {
    pub async fn measure(&self, discovery: Discovery) -> Result<Measured, Failure> {
        // The same in each network: so a node's buckets have room for the same others.
        let mut rng = StdRng::seed_from_u64(self.seed);
        let start = Instant::now();
        let mut members: Vec<Member> = Vec::new();
        for number in 0..self.nodes {
            let options = Options {
                keypair: Keypair::ed25519_from_bytes(rng.random::<[u8; 32]>())?,
                discovery,
                mode: kad::Mode::Server,
                identify: self.identify,
                listen: true,
                seed: members.first().and_then(|seed| seed.address.clone()),
                period: self.period,
                idle: self.idle,
            };
            sleep_until(start + self.every * u32::try_from(number)?).await;
            members.push(Member::start(&options).await?);
        }
        let joined = Instant::now();
        let mut tables = Vec::new();
        for part in LOOKS {
            sleep_until(joined + self.period * self.rounds * part / 100).await;
            tables.push(try_join_all(members.iter().map(Member::known)).await?);
        }
        let tallies = members
            .iter()
            .map(|member| member.ask(|running| running.tally()));
        let tallies = try_join_all(tallies).await?;
        let lasted = start.elapsed();

        let mut records = self.put(&members, "with the seed", &mut rng).await?;
        let before = found(&members, &records).await?;
        members.remove(0).stop().await?;
        records.extend(self.put(&members, "without the seed", &mut rng).await?);
        let after = found(&members, &records).await?;
        for member in members {
            member.stop().await?;
        }
        Ok(Measured {
            discovery,
            tables,
            tallies,
            lasted,
            before,
            after,
        })
    }

    /// One node, chosen at random, puts records; whether anybody takes them shows when they are looked for.
    async fn put(
        &self,
        members: &[Member],
        when: &str,
        rng: &mut StdRng,
    ) -> Result<Vec<kad::Record>, Failure> {
        let member = &members[rng.random_range(0..members.len())];
        let mut records = Vec::new();
        for number in 0..self.records {
            let key = format!("record {number}, put {when}").into_bytes();
            let record = kad::Record::new(key, format!("value {number}").into_bytes());
            member.put(record.clone()).await?;
            records.push(record);
        }
        Ok(records)
    }
}

/// Every node looks for every record, one after another.
async fn found(members: &[Member], records: &[kad::Record]) -> Result<Found, Failure> {
    let by_each = members.iter().map(async |member| {
        let mut found = 0;
        for record in records {
            let value = member.get(record.key.clone()).await?;
            found += usize::from(value.as_ref() == Some(&record.value));
        }
        Ok::<usize, Failure>(found)
    });
    let by_each = try_join_all(by_each).await?;
    Ok(Found {
        found: by_each.iter().sum(),
        asked: members.len() * records.len(),
    })
}
