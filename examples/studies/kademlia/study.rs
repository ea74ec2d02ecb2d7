//! One network, from the first join to the last record.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use libp2p::{PeerId, identity::Keypair, kad};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep_until};

use super::{
    member::{Member, Tally},
    node::{Discovery, Failure, Options, Timing},
};

/// The parts of the measured time, in per cent, after which the routing tables are looked at.
pub const LOOKS: [u32; 3] = [10, 30, 100];

/// How many records a node looks for at the same time.
const AT_A_TIME: usize = 5;

/// What all networks of a study have in common.
#[derive(Debug, Clone, Copy)]
pub struct Study {
    /// The seed included.
    pub nodes: usize,
    pub records: usize,
    /// Between one node's join and the next one's.
    pub every: Duration,
    pub timing: Timing,
    /// How long it is measured after the last join, in rounds.
    pub rounds: u32,
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
    /// How many of the 20 nodes nearest to a node are in its routing table at the last look, as a
    /// share; the mean of all nodes.
    pub nearest: f64,
    /// What each node has had to do up to the last look; the seed's first.
    pub tallies: Vec<Tally>,
    pub lasted: Duration,
    /// Of the first half of the records, put while the seed was there.
    pub before: Found,
    /// Of the same, and of the other half, put when the seed was gone.
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
                timing: self.timing,
            };
            sleep_until(start + self.every * u32::try_from(number)?).await;
            members.push(Member::start(&options).await?);
        }
        let joined = Instant::now();
        let mut tables = Vec::new();
        for part in LOOKS {
            sleep_until(joined + self.timing.period * self.rounds * part / 100).await;
            tables.push(try_join_all(members.iter().map(Member::known)).await?);
        }
        let nearest = nearest(&members).await?;
        let tallies = members
            .iter()
            .map(|member| member.ask(|running| running.tally()));
        let tallies = try_join_all(tallies).await?;
        let lasted = start.elapsed();

        let half = self.records.div_ceil(2);
        let mut records = self.put(&members, 0..half, &mut rng).await?;
        let before = found(&members, &records).await?;
        members.remove(0).stop().await?;
        let others = half..self.records;
        records.extend(self.put(&members, others, &mut rng).await?);
        let after = found(&members, &records).await?;
        for member in members {
            member.stop().await?;
        }
        Ok(Measured {
            discovery,
            tables,
            nearest,
            tallies,
            lasted,
            before,
            after,
        })
    }

    /// One node, chosen at random, puts records. Whether others have taken them shows later, when
    /// nodes look for them.
    async fn put(
        &self,
        members: &[Member],
        numbers: Range<usize>,
        rng: &mut StdRng,
    ) -> Result<Vec<kad::Record>, Failure> {
        let member = &members[rng.random_range(0..members.len())];
        let mut records = Vec::new();
        for number in numbers {
            let key = format!("record {number}").into_bytes();
            let record = kad::Record::new(key, format!("value {number}").into_bytes());
            member.put(record.clone()).await?;
            records.push(record);
        }
        Ok(records)
    }
}

/// How much each node knows of what only it needs to know: who is nearest to it.
async fn nearest(members: &[Member]) -> Result<f64, Failure> {
    let ids = members
        .iter()
        .map(|member| member.ask(|running| *running.swarm.local_peer_id()));
    let ids = try_join_all(ids).await?;
    let mut share = 0.0;
    for (member, id) in members.iter().zip(&ids) {
        let table: BTreeSet<PeerId> = member.table().await?;
        let own = kad::KBucketKey::from(*id);
        let distance = |peer: &PeerId| kad::KBucketKey::from(*peer).distance(&own);
        let mut others: Vec<_> = ids.iter().filter(|other| *other != id).collect();
        others.sort_by_key(|other| distance(other));
        others.truncate(kad::K_VALUE.get());
        let known = others.iter().filter(|other| table.contains(other)).count();
        share += known as f64 / others.len() as f64;
    }
    Ok(share / members.len() as f64)
}

/// Every node looks for every record, for a few at a time.
async fn found(members: &[Member], records: &[kad::Record]) -> Result<Found, Failure> {
    let by_each = members.iter().map(|member| {
        let each = stream::iter(records).map(async |record| {
            let value = member.get(record.key.clone()).await?;
            Ok::<_, Failure>(usize::from(value.as_ref() == Some(&record.value)))
        });
        each.buffer_unordered(AT_A_TIME)
            .try_fold(0, async |all, found| Ok(all + found))
    });
    let by_each = try_join_all(by_each).await?;
    Ok(Found {
        found: by_each.iter().sum(),
        asked: members.len() * records.len(),
    })
}
