//! How the files of `src/` may depend on each other, computed from the code.
//!
//! - Each file belongs to a [layer][LAYERS] and imports from its own layer and from those below.
//! - No imports form a cycle, and no methods of one type do, where its `impl` blocks stand in
//!   several files: a call through `self` is no import.
//! - The sans-IO part is pure, nothing keeps state in a `static`, and each file is short and says
//!   what lives there.
//!
//! An import is a path that begins with `crate::`, in a `use` or anywhere else, outside tests.
//! Other ways to name a file of this crate are refused, so none goes unseen.

mod checker;
mod circles;
mod form;
mod graph;
mod layers;
mod paths;
mod purity;
mod sources;
mod statics;
mod tokens;

use layers::{Layer, Reach};
use sources::{Code, Sources};

/// The layers, from the lowest to the highest, each with the beginnings of its files' names. Move a
/// file, or add one, with thought: a file that wants to import from a higher layer is in the wrong
/// place, or holds something that is.
const LAYERS: &[Layer] = &[
    Layer::new("ground", &["time", "peer"]),
    Layer::new("gossip", &["gossip"]),
    Layer::new("sampling", &["sampling"]),
    Layer::new("protocols", &["protocols"])
        .reaching(Reach::Only(&["ground", "gossip"]))
        .of_islands(),
    Layer::new("simulator", &["simulator"]).reaching(Reach::Only(PURE)),
    Layer::new(
        "swarm ground",
        &[
            "swarm/address",
            "swarm/alarm",
            "swarm/clock",
            "swarm/counters",
            "swarm/generated",
            "swarm/limits",
            "swarm/logged",
            "swarm/metered",
            "swarm/rate",
            "swarm/record",
        ],
    )
    .reaching(Reach::Only(PURE)),
    Layer::new("node", &["swarm/node", "swarm/handle"]).reaching(Reach::AllBut(&["simulator"])),
    Layer::new("wire", &["swarm/wire", "swarm/shared"]).reaching(Reach::AllBut(&["simulator"])),
    Layer::new("handler", &["swarm/handler"]).reaching(Reach::AllBut(&["simulator"])),
    Layer::new("exchanger", &["swarm/exchanger"]).reaching(Reach::AllBut(&["simulator"])),
    Layer::new("behaviour of gossip", &["swarm/rider"]).reaching(Reach::AllBut(&["simulator"])),
    Layer::new("behaviour of sampling", &["swarm/sampling"])
        .reaching(Reach::AllBut(&["simulator"])),
    Layer::new("riders", &["riders"])
        .reaching(Reach::AllBut(&[
            "simulator",
            "sampling",
            "behaviour of sampling",
        ]))
        .of_islands(),
    Layer::new("tests without sockets", &["swarm/world"]).reaching(Reach::AllBut(&["simulator"])),
    Layer::new("fuzzing", &["fuzzing"]).reaching(Reach::AllBut(&["simulator"])),
];

/// The layers of the sans-IO part that others than the simulator stand on.
const PURE: &[&str] = &["ground", "gossip", "sampling", "protocols"];

/// The sans-IO part, by the beginnings of its files' names.
const SANS_IO: &[&str] = &[
    "time",
    "peer",
    "gossip",
    "sampling",
    "protocols",
    "simulator",
];

/// Re-exports everything, and is imported by nobody.
const ROOT: &str = "lib";

/// Declares the rooms of the libp2p part, which are on several layers.
const SWARM: &str = "swarm";

/// Not written by hand, so not held to any rule.
const GENERATED: &str = "swarm/generated";

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn code() -> Code {
    sources::code().expect("the sources can be read")
}

fn sources() -> Sources {
    Sources::parse(&code())
}

#[test]
fn imports_are_whole_paths_to_files() {
    assert_none(&layers::hidden(&sources()));
}

#[test]
fn imports_go_to_layers_below() {
    assert_none(&layers::upward(&sources(), LAYERS));
}

#[test]
fn imports_form_no_cycle() {
    assert_none(&layers::cycles(&sources()));
}

#[test]
fn methods_of_one_type_in_several_files_form_no_circle() {
    assert_none(&circles::complaints(&sources()));
}

#[test]
fn sans_io_part_is_pure() {
    assert_none(&purity::complaints(&sources(), SANS_IO));
}

#[test]
fn no_static_keeps_state() {
    assert_none(&statics::complaints(&sources()));
}

#[test]
fn each_file_begins_with_a_sentence() {
    assert_none(&form::without_a_sentence(&code()));
}

#[test]
fn files_are_short() {
    assert_none(&form::too_long(&code()));
}
