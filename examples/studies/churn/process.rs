//! Nodes as processes, seen from the process that started them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Debug,
    net::{TcpListener, UdpSocket},
    process::Stdio,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use futures::future::try_join_all;
use libp2p::Multiaddr;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command as Program},
    time::{sleep, timeout},
};

use super::node::{Command, Failure, Look, SETTINGS, Settings, Started, parse};

/// How long a node may take to answer, and any condition to come about.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long it is waited before the nodes are looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// A node in a process of its own.
pub struct Process {
    pub settings: Settings,
    pub peer: String,
    /// Where it listens, with `/p2p`.
    pub addresses: Vec<Multiaddr>,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts this program again, with arguments that make it a node.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or does not say where it listens.
    pub async fn start(arguments: &[&str], settings: Settings) -> Result<Self, Failure> {
        let mut child = Program::new(env::current_exe()?)
            .args(arguments)
            .env(SETTINGS, serde_json::to_string(&settings)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no standard input")?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut process = Self {
            peer: settings.peer_id().to_string(),
            settings,
            addresses: Vec::new(),
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
        };
        let Started { addresses } = process.answer().await?;
        process.addresses = addresses;
        Ok(process)
    }

    /// The settings with which it can be started again where it listens now.
    pub fn settings_at_same_address(&self) -> Settings {
        let without_peer = |address: &Multiaddr| {
            let mut address = address.clone();
            address.pop();
            address
        };
        Settings {
            listen: self.addresses.iter().map(without_peer).collect(),
            ..self.settings.clone()
        }
    }

    async fn answer<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let answer = timeout(PATIENCE, async {
            loop {
                let line = self.lines.next_line().await?;
                let line = line.ok_or("a node has ended by itself")?;
                if let Some(answer) = parse(&line) {
                    return Ok(answer);
                }
            }
        });
        let outcome = answer.await;
        outcome.map_err(|_| format!("no answer within {PATIENCE:?}"))?
    }

    /// # Errors
    ///
    /// When it does not answer.
    pub async fn ask<T: DeserializeOwned>(&mut self, command: &Command) -> Result<T, Failure> {
        let mut line = serde_json::to_string(command)?;
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).await?;
        self.answer().await
    }

    /// # Errors
    ///
    /// When it does not answer.
    pub async fn look(&mut self) -> Result<Look, Failure> {
        self.ask(&Command::Look).await
    }

    /// Kills it without a goodbye, and waits for its end.
    ///
    /// # Errors
    ///
    /// When it cannot be killed.
    pub async fn kill(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Lets it say goodbye, and waits for its end.
    ///
    /// # Errors
    ///
    /// When it does not, or fails.
    pub async fn quit(mut self) -> Result<(), Failure> {
        let _: bool = self.ask(&Command::Quit).await?;
        let status = timeout(PATIENCE, self.child.wait()).await??;
        match status.success() {
            true => Ok(()),
            false => Err(format!("a node has ended with {status}").into()),
        }
    }

    /// Stops it: it keeps its connections, and does nothing any more.
    ///
    /// # Errors
    ///
    /// When it runs no more.
    #[cfg(unix)]
    pub fn stop(&self) -> Result<(), Failure> {
        self.signal(rustix::process::Signal::STOP)
    }

    /// Lets it go on after a [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// When it runs no more.
    #[cfg(unix)]
    pub fn resume(&self) -> Result<(), Failure> {
        self.signal(rustix::process::Signal::CONT)
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) -> Result<(), Failure> {
        use rustix::process::{Pid, kill_process};
        let id = self.child.id().ok_or("the node runs no more")?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or("no process id")?, signal)?)
    }
}

/// All nodes as they are now, in the same order.
///
/// # Errors
///
/// When one does not answer.
pub async fn looks<'a>(
    processes: impl IntoIterator<Item = &'a mut Process>,
) -> Result<Vec<Look>, Failure> {
    try_join_all(processes.into_iter().map(Process::look)).await
}

/// Looks at all nodes until `wanted` finds something.
///
/// # Errors
///
/// When it takes too long, or a node does not answer.
pub async fn until<T>(
    what: &str,
    processes: &mut [Process],
    mut wanted: impl FnMut(&[Look]) -> Option<T>,
) -> Result<T, Failure> {
    let found = timeout(PATIENCE, async {
        loop {
            let looks = looks(processes.iter_mut()).await?;
            if let Some(found) = wanted(&looks) {
                return Ok(found);
            }
            sleep(PAUSE).await;
        }
    });
    let outcome = found.await;
    outcome.map_err(|_| format!("not within {PATIENCE:?}: {what}"))?
}

/// [`until`], within a number of rounds of the node that has lived through fewest. Returns in which
/// round it was found.
///
/// # Errors
///
/// When it takes more rounds, or a node does not answer. `state` is part of the text.
pub async fn within<S: Debug>(
    rounds: u64,
    what: &str,
    processes: &mut [Process],
    mut state: impl FnMut(&[Look]) -> S,
    holds: impl Fn(&S) -> bool,
) -> Result<u64, Failure> {
    let before = looks(processes.iter_mut()).await?;
    let found = until(what, processes, |now| {
        let passed = before.iter().zip(now);
        let passed = passed.map(|(before, now)| now.round - before.round);
        let passed = passed.min().unwrap_or(rounds);
        let state = state(now);
        match holds(&state) {
            true => Some(Ok(passed)),
            false if passed >= rounds => Some(Err(state)),
            false => None,
        }
    });
    let found = found.await?;
    found.map_err(|state| format!("not within {rounds} rounds: {what}: {state:?}").into())
}

/// The sizes of the components of the graph that the views make, largest first. Only these peers
/// are in it, `looks` has their nodes in the same order.
pub fn components(peers: &[String], looks: &[Look]) -> Vec<usize> {
    let peers = peers.iter().map(String::as_str);
    let views = peers.clone().zip(looks.iter().map(|look| &look.view));
    let mut links: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (peer, view) in views {
        for other in view.keys() {
            links.entry(peer).or_default().insert(other);
            links.entry(other).or_default().insert(peer);
        }
    }
    let mut left: BTreeSet<&str> = peers.collect();
    let mut sizes = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut reached = vec![first];
        let mut size = 0;
        while let Some(peer) = reached.pop() {
            size += 1;
            let others = links.get(peer).into_iter().flatten();
            reached.extend(others.filter(|other| left.remove(*other)));
        }
        sizes.push(size);
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes
}

/// A port of loopback where nobody listens, on TCP and UDP, and that the system gives to nobody by
/// itself: a node can be restarted there.
///
/// # Errors
///
/// When there is none.
pub fn free_port() -> Result<u16, Failure> {
    /// Below the ports that systems give out.
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);

    // Test programs that run side by side begin at different ports.
    let first = (std::process::id() as u16).wrapping_mul(97);
    for _ in PORTS {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + number % (PORTS.end - PORTS.start);
        let free = |host: &str| {
            let address = (host, port);
            TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
        };
        if free("127.0.0.1") {
            return Ok(port);
        }
    }
    Err("no free port".into())
}
