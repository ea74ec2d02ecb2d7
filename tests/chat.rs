//! The chat example as people run it: real processes, real sockets on loopback.

mod common;

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use common::example::built;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command as AsyncCommand},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

/// How long any condition may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

fn chat() -> &'static PathBuf {
    static CHAT: OnceLock<PathBuf> = OnceLock::new();
    CHAT.get_or_init(|| built("chat"))
}

/// A running chat.
struct Chat {
    child: Child,
    stdin: ChildStdin,
    output: Arc<Lines>,
    readers: [JoinHandle<()>; 2],
}

/// What a chat has printed so far.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    changed: Notify,
}

impl Lines {
    fn all(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    /// Waits for a line.
    async fn find<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = self.all().iter().rev().find_map(|line| find(line)) {
                    return found;
                }
                changed.await;
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!(
                "no {what} within {PATIENCE:?} in:\n{}",
                self.all().join("\n")
            ),
        }
    }

    fn read(self: &Arc<Self>, from: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        tokio::spawn(async move {
            let mut from = BufReader::new(from).lines();
            while let Ok(Some(line)) = from.next_line().await {
                lines.lines.lock().expect("no panic").push(line);
                lines.changed.notify_waiters();
            }
        })
    }
}

impl Chat {
    fn start(name: &str, listen: &str, seeds: &[&str]) -> Self {
        let mut child = AsyncCommand::new(chat())
            .args(["--no-mdns", "--period", "500", "--name", name])
            .args(["--listen", listen])
            .args(seeds)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the example starts");
        let output = Arc::new(Lines::default());
        let readers = [
            output.read(child.stdout.take().expect("piped")),
            output.read(child.stderr.take().expect("piped")),
        ];
        Self {
            stdin: child.stdin.take().expect("piped"),
            child,
            output,
            readers,
        }
    }

    async fn address(&self) -> String {
        let listening = |line: &str| line.strip_prefix("listening on ").map(str::to_owned);
        self.output.find("listen address", listening).await
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        let written = self.stdin.write_all(line.as_bytes()).await;
        written.expect("the chat reads");
    }

    /// Asks for the view until it holds `peers` peers.
    async fn wait_for_view(&mut self, peers: usize) {
        let full = format!("{peers} peers");
        let found = timeout(PATIENCE, async {
            loop {
                self.say("/view").await;
                let answer = self
                    .output
                    .find("answer to /view", |line| {
                        line.ends_with(" peers").then(|| line.to_owned())
                    })
                    .await;
                if answer == full {
                    return;
                }
                // Perhaps the answer to the question before: ask again a little later.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        if found.await.is_err() {
            panic!("no view of {peers}:\n{}", self.output.all().join("\n"));
        }
    }

    fn heard(&self, line: &str) -> usize {
        self.output.all().iter().filter(|l| *l == line).count()
    }

    /// SIGKILL, and everything that belongs to it awaited.
    async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
        for reader in self.readers {
            reader.await.expect("no panic");
        }
    }
}

/// Ten processes: a seed, seven that know it, two that know one of the seven. The seed is killed;
/// whatever any survivor says arrives at all the others, exactly once.
async fn ten_nodes_go_on_without_their_seed(listen: &str) {
    let seed = Chat::start("seed", listen, &[]);
    let seed_address = seed.address().await;
    let mut chats: Vec<Chat> = (1..=7)
        .map(|n| Chat::start(&format!("node{n}"), listen, &[&seed_address]))
        .collect();
    let first_address = chats[0].address().await;
    chats.extend((8..=9).map(|n| Chat::start(&format!("node{n}"), listen, &[&first_address])));
    for chat in &mut chats {
        chat.wait_for_view(9).await;
    }

    seed.kill().await;
    // Twice, so that the second line also waits for any late copy of the first.
    for round in ["first", "second"] {
        for speaker in 0..chats.len() {
            let name = format!("node{}", speaker + 1);
            let line = format!("the {round} line of {name}");
            chats[speaker].say(&line).await;
            let heard = format!("{name}: {line}");
            for (listener, chat) in chats.iter().enumerate() {
                if listener != speaker {
                    let arrived = |l: &str| (l == heard).then_some(());
                    chat.output.find(&heard, arrived).await;
                }
            }
        }
    }
    for (listener, chat) in chats.iter().enumerate() {
        for speaker in 0..chats.len() {
            let name = format!("node{}", speaker + 1);
            for round in ["first", "second"] {
                let line = format!("{name}: the {round} line of {name}");
                let expected = usize::from(listener != speaker);
                assert_eq!(chat.heard(&line), expected, "{line} at {}", listener + 1);
            }
        }
    }
    for chat in chats {
        chat.kill().await;
    }
}

#[tokio::test]
async fn ten_nodes_go_on_without_their_seed_over_tcp() {
    ten_nodes_go_on_without_their_seed("/ip4/127.0.0.1/tcp/0").await;
}

#[tokio::test]
async fn ten_nodes_go_on_without_their_seed_over_quic() {
    ten_nodes_go_on_without_their_seed("/ip4/127.0.0.1/udp/0/quic-v1").await;
}

#[tokio::test]
async fn commands_show_what_the_node_knows_and_quit_says_goodbye() {
    let listen = "/ip4/127.0.0.1/tcp/0";
    let mut a = Chat::start("a", listen, &[]);
    let address = a.address().await;
    let peer = address.rsplit('/').next().expect("a peer id").to_owned();
    let mut b = Chat::start("b", listen, &[&address]);
    b.wait_for_view(1).await;
    a.wait_for_view(1).await;

    b.say("/sample 3").await;
    let sampled = |line: &str| line.starts_with(&peer).then_some(());
    b.output.find("sampled peer", sampled).await;
    let neighbour = format!("neighbour {peer}");
    let is_neighbour = |line: &str| (line == neighbour).then_some(());
    b.say("/peers").await;
    b.output.find(&neighbour, is_neighbour).await;
    for (command, answer) in [
        ("/sample many", "/sample K: many is not a number"),
        ("/what", "commands: /view, /sample K, /peers, /quit"),
    ] {
        b.say(command).await;
        let answered = |line: &str| (line == answer).then_some(());
        b.output.find(answer, answered).await;
    }

    b.say("/quit").await;
    let status = timeout(PATIENCE, b.child.wait()).await;
    assert!(status.expect("it ends").expect("it was awaited").success());
    for reader in b.readers {
        reader.await.expect("no panic");
    }
    a.wait_for_view(0).await;

    // The end of input is not the end of the node.
    drop(a.stdin);
    let still = a.child.try_wait().expect("it can be asked");
    assert!(still.is_none(), "{still:?}");
    a.child.kill().await.expect("it can be killed");
    for reader in a.readers {
        reader.await.expect("no panic");
    }
}

fn run(args: &[&str]) -> Output {
    let mut chat = Command::new(chat());
    chat.args(args).stdin(Stdio::null());
    chat.output().expect("the example runs")
}

#[test]
fn the_demo_ends_well() {
    let output = run(&["--demo", "8"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("7 of the 7 others have heard it"), "{text}");
}

#[test]
fn a_wrong_argument_prints_one_line_and_ends_with_2() {
    for (args, reason) in [
        (&["not-a-multiaddr"][..], "not-a-multiaddr"),
        (&["--listen", "here"], "here"),
        (&["--listen", "/ip4/127.0.0.1"], "/ip4/127.0.0.1"),
        (&["--period", "0"], "0"),
        (&["--period", "soon"], "soon"),
        (&["--demo", "1"], "1"),
        (&["--demo", "4", "/ip4/127.0.0.1/tcp/1"], "--demo"),
        (&["--wrong"], "--wrong"),
        (&["--name"], "--name"),
    ] {
        let output = run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
        assert!(text.contains(reason), "{args:?}: {text}");
    }
}
