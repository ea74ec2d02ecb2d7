//! Kademlia over peer sampling: real sockets on loopback, and the nodes of
//! `examples/studies/kademlia.rs`. What it costs, and what the usual way costs, is measured there.

mod common;
#[allow(dead_code, unreachable_pub)]
#[path = "../examples/studies/kademlia"]
mod kademlia {
    pub mod member;
    pub mod node;
}

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    time::Duration,
};

use common::{example::built, swarms::eventually_async};
use kademlia::{
    member::Member,
    node::{Discovery, Options, Timing},
};
use libp2p::{PeerId, identity::Keypair, kad};

fn options(identify: bool, seed: Option<&Member>) -> Options {
    Options {
        keypair: Keypair::generate_ed25519(),
        discovery: Discovery::Quiet,
        mode: kad::Mode::Server,
        identify,
        listen: true,
        seed: seed.and_then(|seed| seed.address.clone()),
        timing: Timing {
            period: Duration::from_millis(200),
            ..Timing::faster(1)
        },
    }
}

async fn start(options: Options) -> Member {
    Member::start(&options).await.expect("it listens")
}

/// A network in which all that anybody knows is the first.
async fn servers(count: usize, identify: bool) -> Vec<Member> {
    let mut members = vec![start(options(identify, None)).await];
    while members.len() < count {
        members.push(start(options(identify, members.first())).await);
    }
    members
}

async fn peer_id(member: &Member) -> PeerId {
    let asked = member.ask(|running| *running.swarm.local_peer_id());
    asked.await.expect("it runs")
}

async fn table(member: &Member) -> BTreeSet<PeerId> {
    member.table().await.expect("it runs")
}

async fn has_contacted(member: &Member, peer: PeerId) -> bool {
    let asked = member.ask(move |running| running.contacted.contains(&peer));
    asked.await.expect("it runs")
}

/// Waits until the routing tables of `members` hold the others of them, and nobody else.
async fn until_tables_hold_each_other(members: &[Member]) {
    let mut all = BTreeSet::new();
    for member in members {
        all.insert(peer_id(member).await);
    }
    eventually_async("every routing table holds all other servers", async || {
        for member in members {
            let mut expected = all.clone();
            expected.remove(&peer_id(member).await);
            if table(member).await != expected {
                return false;
            }
        }
        true
    })
    .await;
}

async fn put(member: &Member, name: &str) -> Vec<kad::Record> {
    let mut records = Vec::new();
    for number in 0..3 {
        let record = kad::Record::new(format!("{name} {number}").into_bytes(), vec![number]);
        let put = member.put(record.clone()).await.expect("it runs");
        assert!(put, "nobody took {record:?}");
        records.push(record);
    }
    records
}

async fn assert_all_find(members: impl IntoIterator<Item = &Member>, records: &[kad::Record]) {
    for member in members {
        for record in records {
            let found = member.get(record.key.clone()).await.expect("it runs");
            assert_eq!(found.as_ref(), Some(&record.value), "{record:?}");
        }
    }
}

/// How many queries of others have been answered, by all together.
async fn requests(members: &[Member]) -> u32 {
    let mut requests = 0;
    for member in members {
        let tally = member.ask(|running| running.tally());
        requests += tally.await.expect("it runs").requests;
    }
    requests
}

async fn stop(members: impl IntoIterator<Item = Member>) {
    for member in members {
        member.stop().await.expect("its task did not panic");
    }
}

async fn samples_make_a_dht_that_outlives_its_seed(identify: bool) {
    let mut members = servers(12, identify).await;
    until_tables_hold_each_other(&members).await;
    // Kad bootstraps half a second after a new peer, if nothing puts it off.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(requests(&members).await, 0, "no bootstrap, no lookup");

    let mut records = put(&members[5], "with the seed").await;
    assert_all_find(&members, &records).await;
    stop([members.remove(0)]).await;
    records.extend(put(&members[3], "without the seed").await);
    assert_all_find(&members, &records).await;
    stop(members).await;
}

#[tokio::test]
async fn samples_make_a_dht_that_outlives_its_seed_with_identify() {
    samples_make_a_dht_that_outlives_its_seed(true).await;
}

#[tokio::test]
async fn samples_make_a_dht_that_outlives_its_seed_without_identify() {
    samples_make_a_dht_that_outlives_its_seed(false).await;
}

/// Waits until the client knows all servers, and has found what one of them has put.
async fn until_client_finds(client: &Member, servers: &[Member]) {
    eventually_async("the client knows all servers", async || {
        client.known().await.expect("it runs") == servers.len()
    })
    .await;
    let records = put(&servers[1], "by a server").await;
    assert_all_find([client], &records).await;
    let records = put(client, "by the client").await;
    assert_all_find(servers, &records).await;
}

/// It advertises, so all servers contact it; then identify shows what it is.
#[tokio::test]
async fn identify_takes_a_client_out_of_the_tables() {
    let servers = servers(5, true).await;
    let client = start(Options {
        mode: kad::Mode::Client,
        ..options(true, servers.first())
    })
    .await;
    let id = peer_id(&client).await;
    eventually_async("every server has contacted the client", async || {
        for server in &servers {
            if !has_contacted(server, id).await {
                return false;
            }
        }
        true
    })
    .await;
    until_tables_hold_each_other(&servers).await;
    until_client_finds(&client, &servers).await;
    until_tables_hold_each_other(&servers).await;
    stop(servers).await;
    stop([client]).await;
}

/// Without identify nobody can tell a client from a server: so a client must not advertise.
#[tokio::test]
async fn a_client_that_does_not_advertise_is_in_no_table_without_identify() {
    let servers = servers(5, false).await;
    let client = start(Options {
        mode: kad::Mode::Client,
        listen: false,
        ..options(false, servers.first())
    })
    .await;
    let id = peer_id(&client).await;
    until_client_finds(&client, &servers).await;
    until_tables_hold_each_other(&servers).await;
    for server in &servers {
        assert!(!has_contacted(server, id).await);
    }
    stop(servers).await;
    stop([client]).await;
}

/// If it does, it is in the tables. That costs lookups a request in vain, and no more.
#[tokio::test]
async fn a_client_that_advertises_without_identify_spoils_nothing() {
    let servers = servers(5, false).await;
    let client = start(Options {
        mode: kad::Mode::Client,
        ..options(false, servers.first())
    })
    .await;
    let id = peer_id(&client).await;
    eventually_async("the client is in every table", async || {
        for server in &servers {
            if !table(server).await.contains(&id) {
                return false;
            }
        }
        true
    })
    .await;
    until_client_finds(&client, &servers).await;
    stop(servers).await;
    stop([client]).await;
}

fn study(args: &str) -> Output {
    let mut study = Command::new(built("kademlia"));
    study.args(args.split_whitespace());
    study.output().expect("the example runs")
}

#[test]
fn the_study_prints_both_networks_beside_each_other() {
    let output = study("--nodes 6 --records 2 --faster 100 --rounds 10 --only bootstrap,quiet");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    let cells = |row: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.trim().starts_with(row));
        let line = line.unwrap_or_else(|| panic!("no {row} in {text}")).trim();
        let cells = line[row.len()..].split("  ").map(str::trim);
        let cells = cells.filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    assert_eq!(cells("with the seed"), ["6 of 6", "6 of 6"], "{text}");
    assert_eq!(cells("when it is gone"), ["10 of 10", "10 of 10"], "{text}");
    // The first row of that name is the seed's; the last that begins so, what is asked.
    assert_eq!(cells("the seed")[1], "0", "{text}");
    assert!(text.contains("0, met"), "{text}");
}

#[test]
fn impossible_settings_are_refused_by_name() {
    for (args, reason) in [("--nodes 1", "1"), ("--only nothing", "nothing")] {
        let output = study(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args}: {text}");
        assert!(text.contains(reason), "{args}: {text}");
    }
}
