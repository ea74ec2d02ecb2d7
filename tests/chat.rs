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
    fn start(name: &str, listen: &str, arguments: &[&str]) -> Self {
        let mut child = AsyncCommand::new(chat())
            .args(["--no-mdns", "--period", "500", "--name", name])
            .args(["--listen", listen])
            .args(arguments)
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
        let full = match peers {
            1 => "1 peer".to_owned(),
            _ => format!("{peers} peers"),
        };
        let found = timeout(PATIENCE, async {
            loop {
                self.say("/view").await;
                let answer = self
                    .output
                    .find("answer to /view", |line| {
                        let (count, peers) = line.split_once(' ')?;
                        let count = count.parse::<usize>().is_ok();
                        (count && peers.starts_with("peer")).then(|| line.to_owned())
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

    let joined = "connected to 1 peer; /view, /sample K, /peers, /why, /quit";
    for chat in [&a, &b] {
        let joined = |line: &str| (line == joined).then_some(());
        chat.output.find("word that it has joined", joined).await;
    }

    b.say("/sample 3").await;
    let sampled = |line: &str| line.starts_with(&peer).then_some(());
    b.output.find("sampled peer", sampled).await;
    let neighbour = format!("neighbour {peer}");
    let is_neighbour = |line: &str| (line == neighbour).then_some(());
    b.say("/peers").await;
    b.output.find(&neighbour, is_neighbour).await;
    for (command, answer) in [
        ("/sample many", "/sample K: many is not a number"),
        ("/what", "commands: /view, /sample K, /peers, /why, /quit"),
        ("/why", "nothing has failed so far"),
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

/// Two networks on one machine, of which one has the other's address by mistake.
#[tokio::test]
async fn nodes_of_another_network_are_not_heard_and_why_says_so() {
    let listen = "/ip4/127.0.0.1/tcp/0";
    let mut one = Chat::start("one", listen, &["--network", "one"]);
    let address = one.address().await;
    let mut two = Chat::start("two", listen, &["--network", "two", &address]);
    let network = "you are two, on the network two";
    let says_so = |line: &str| (line == network).then_some(());
    two.output.find(network, says_so).await;
    let failed = "seed that has failed";
    let seed = format!("seed {address}: ");
    let at_once = |line: &str| line.starts_with(&seed).then_some(());
    two.output.find(failed, at_once).await;
    two.say("/why").await;
    let ago = format!(" ago: {seed}");
    let remembered = |line: &str| line.contains(&ago).then_some(());
    two.output.find(failed, remembered).await;
    for chat in [&mut one, &mut two] {
        chat.say("/view").await;
        let nobody = |line: &str| (line == "0 peers").then_some(());
        chat.output.find("empty view", nobody).await;
        chat.say("hello").await;
        let alone = "not sent: nobody is here to hear it";
        let not_sent = |line: &str| (line == alone).then_some(());
        chat.output.find(alone, not_sent).await;
    }
    one.kill().await;
    two.kill().await;
}

#[tokio::test]
async fn nodes_with_keys_of_all_types_hear_each_other() {
    let listen = "/ip4/127.0.0.1/udp/0/quic-v1";
    let mut chats = vec![Chat::start("ed25519", listen, &[])];
    let address = chats[0].address().await;
    for key_type in ["secp256k1", "ecdsa"] {
        let arguments = ["--key-type", key_type, &address];
        chats.push(Chat::start(key_type, listen, &arguments));
    }
    for chat in &mut chats {
        chat.wait_for_view(2).await;
    }
    for speaker in 0..chats.len() {
        let line = format!("the line of {speaker}");
        chats[speaker].say(&line).await;
        for (listener, chat) in chats.iter().enumerate() {
            if listener != speaker {
                let arrived = |l: &str| l.ends_with(&line).then_some(());
                chat.output.find(&line, arrived).await;
            }
        }
    }
    for chat in chats {
        chat.kill().await;
    }
}

#[test]
fn help_names_the_network_and_how_to_see_more() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for part in ["--network <NAME>", "[default: chat]", "RUST_LOG="] {
        assert!(text.contains(part), "{part} is not in {text}");
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
        (&["--network", "two words"], "network"),
        (&["--network", ""], "network"),
        (&["--key-type", "rsa"], "rsa"),
    ] {
        let output = run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
        assert!(text.contains(reason), "{args:?}: {text}");
    }
}
