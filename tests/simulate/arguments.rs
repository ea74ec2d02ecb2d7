//! What the example says to arguments that are wrong.

use crate::run;

#[test]
fn a_wrong_argument_prints_one_line_and_ends_with_2() {
    for (args, line) in [
        (
            "--nodes 40 --view 50",
            "--view 50: must be smaller than the network of 40 nodes",
        ),
        ("--nodes 1", "--nodes 1: must be 2 to 100000000"),
        ("--nodes -5", "--nodes -5: invalid digit found in string"),
        (
            "--nodes many",
            "--nodes many: invalid digit found in string",
        ),
        ("--view 1", "--view 1: must be 2 to 10000"),
        (
            "--healer 8 --swapper 8",
            "--healer 8 --swapper 8: must together be at most half of --view 30, 15",
        ),
        (
            "--healer 16",
            "--healer 16: must be at most half of --view 30, 15",
        ),
        (
            "--swapper 16",
            "--swapper 16: must be at most half of --view 30, 15",
        ),
        (
            "--select oldest",
            "--select oldest: must be one of head, tail, rand",
        ),
        (
            "--propagation flood",
            "--propagation flood: must be one of push, pull, push-pull",
        ),
        ("--fanout 0", "--fanout 0: must be 1 to 30"),
        ("--retries 31", "--retries 31: must be 0 to 30"),
        (
            "--bootstrap ring",
            "--bootstrap ring: must be one of growing, lattice, star, chain, random",
        ),
        (
            "--bootstrap growing --rounds 19",
            "--bootstrap growing: takes 20 rounds, must be at most --rounds 19",
        ),
        ("--rounds 0", "--rounds 0: must be 1 to 1000000000"),
        ("--every 0", "--every 0: must be at least 1"),
        ("--threads 0", "--threads 0: must be 1 to 256"),
        (
            "--crash 0.5",
            "--crash 0.5: must be a fraction and a round, as in 0.5@50",
        ),
        (
            "--crash half@50",
            "--crash half@50: must be a fraction and a round, as in 0.5@50",
        ),
        (
            "--crash 0.5@soon",
            "--crash 0.5@soon: must be a fraction and a round, as in 0.5@50",
        ),
        (
            "--crash 1.5@50",
            "--crash 1.5@50: the fraction must be from 0 to 1",
        ),
        (
            "--crash -0.5@50",
            "--crash -0.5@50: the fraction must be from 0 to 1",
        ),
        (
            "--crash NaN@50",
            "--crash NaN@50: the fraction must be from 0 to 1",
        ),
        ("--crash 0.5@0", "--crash 0.5@0: rounds are counted from 1"),
        (
            "--crash 0.5@101",
            "--crash: round 101 comes after the last round, 100",
        ),
        ("--latency 5", "--latency 5: only with --driver events"),
        ("--jitter 1", "--jitter 1: only with --driver events"),
        ("--driver events --jitter 6", "--jitter 6: must be 0 to 5"),
        (
            "--driver events --latency 3600001",
            "--latency 3600001: must be at most an hour",
        ),
        ("--churn 2", "--churn 2: must be a fraction from 0 to 1"),
        (
            "--churn -0.1",
            "--churn -0.1: must be a fraction from 0 to 1",
        ),
        ("--loss NaN", "--loss NaN: must be a fraction from 0 to 1"),
        ("--loss much", "--loss much: invalid float literal"),
        (
            "--partition 20",
            "--partition 20: must be two rounds, as in 20..40",
        ),
        (
            "--partition 20..",
            "--partition 20..: must be two rounds, as in 20..40",
        ),
        (
            "--partition 0..9",
            "--partition 0..9: rounds are counted from 1",
        ),
        (
            "--partition 20..20",
            "--partition 20..20: must end after it begins",
        ),
        (
            "--partition 101..120",
            "--partition: round 101 comes after the last round, 100",
        ),
        (
            "--overlay star",
            "--overlay star: must be one of random, cyclon, basalt, ring, torus, tree, xor, \
             proximity, zones",
        ),
        ("--target 2", "--target 2: only a topology has one"),
        (
            "--overlay cyclon --random-candidates 2",
            "--random-candidates 2: only a topology has one",
        ),
        (
            "--overlay ring --target 61",
            "--target 61: must be 1 to --cap 60",
        ),
        (
            "--overlay ring --cap 9 --sent 1",
            "--sent 1: must be 2 to --cap 9",
        ),
        ("--overlay xor --psi 0", "--psi 0: must be 1 to --cap 60"),
        ("--overlay tree --life 1", "--life 1: must be 2 or more"),
        (
            "--overlay zones --random-candidates 31",
            "--random-candidates 31: must be 0 to --view 30",
        ),
        (
            "--overlay torus --cap 10001",
            "--cap 10001: must be 2 to 10000",
        ),
        (
            "--overlay torus --nodes 50 --cap 50",
            "--cap 50: must be smaller than the network of 50 nodes",
        ),
        (
            "--overlay ring --attackers 0.1",
            "--attackers 0.1: not with a topology",
        ),
        (
            "--overlay ring --driver events",
            "--driver events: not with a topology",
        ),
        (
            "--overlay cyclon --healer 3",
            "--healer 3: only the overlay random has one",
        ),
        (
            "--shuffle-length 8",
            "--shuffle-length 8: only the overlays cyclon and basalt have one",
        ),
        (
            "--overlay basalt --shuffle-length 31",
            "--shuffle-length 31: must be 1 to --view 30",
        ),
        (
            "--overlay basalt --renewal 31/2",
            "--renewal 31/2: must be at most as many slots as --view 30",
        ),
        (
            "--overlay basalt --renewal 31",
            "--renewal 31: must be two numbers from 1 on, as in 16/4",
        ),
        (
            "--overlay basalt --ranking identity --tickets 2/2",
            "--tickets 2/2: only with --ranking prefixes",
        ),
        ("--memory 9", "--memory 9: only the overlay basalt has one"),
        (
            "--tickets 2/2",
            "--tickets 2/2: only the overlay basalt has one",
        ),
        (
            "--overlay cyclon --ranking identity",
            "--ranking identity: only the overlay basalt has one",
        ),
        (
            "--quarantine 5..4",
            "--quarantine 5..4: must not go down, nor beyond 8640",
        ),
        (
            "--quarantine 5..8641",
            "--quarantine 5..8641: must not go down, nor beyond 8640",
        ),
        (
            "--diversity 3/2",
            "--diversity 3/2: must be three numbers from 1 on, as in 8/4/30",
        ),
        (
            "--diversity 3/0/1",
            "--diversity 3/0/1: must be three numbers from 1 on, as in 8/4/30",
        ),
        (
            "--attackers many",
            "--attackers many: invalid float literal",
        ),
        (
            "--attackers 1.1",
            "--attackers 1.1: must be a fraction from 0 to 1",
        ),
        (
            "--nodes 100 --attackers 0",
            "--attackers 0: must be at least one of 100 nodes, and leave two of them honest",
        ),
        (
            "--nodes 100 --attackers 1",
            "--attackers 1: must be at least one of 100 nodes, and leave two of them honest",
        ),
        (
            "--attackers 0.1 --driver events",
            "--attackers 0.1: only with --driver rounds",
        ),
        ("--attack hub", "--attack hub: only with --attackers"),
        ("--force 3", "--force 3: only with --attackers"),
        ("--identities 3", "--identities 3: only with --attackers"),
        ("--message 3", "--message 3: only with --attackers"),
        ("--kept nothing", "--kept nothing: only with --attackers"),
        (
            "--attackers 0.1 --kept nothing",
            "--kept nothing: only with --attack restart",
        ),
        (
            "--attackers 0.1 --attack storm",
            "--attack storm: must be one of flood, hub, eclipse, restart, spray, prefix",
        ),
        (
            "--attackers 0.1 --force 1001",
            "--force 1001: must be 0 to 1000",
        ),
        (
            "--nodes 100 --attackers 0.1 --identities 9",
            "--identities 9: must be 10 to 100000000",
        ),
        (
            "--attackers 0.1 --message 0",
            "--message 0: must be 1 to 10000",
        ),
        (
            "--overlay cyclon --shuffle-length 31",
            "--shuffle-length 31: must be 1 to --view 30",
        ),
        (
            "--paths long",
            "--paths long: must be one of directed, undirected",
        ),
        ("--seed x", "--seed x: invalid digit found in string"),
        ("--no-speed", "--no-speed: only with --json"),
        ("--wrong", "--wrong: there is no such argument"),
        ("wrong", "wrong: there is no such argument"),
        ("--nodes", "--nodes: needs a value"),
        ("--plot", "--plot: needs a value"),
        ("--seed 1 --seed 2", "--seed: given twice"),
    ] {
        let output = run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {errors}");
        assert_eq!(errors, format!("simulate: {line}\n"), "{args}");
        assert!(output.stdout.is_empty(), "{args}");
    }
}
