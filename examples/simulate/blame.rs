//! Says what is wrong with the command line, in one line that names the argument.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use libp2p_peer_sampling::{
    overlay::OverlayError,
    sampler as gossip,
    simulator::{config::ConfigError, latency::Latency},
    time::Backoff,
};

use crate::simulate::{
    arguments::Arguments,
    values::{Between, Pair},
};

/// Which argument an error is about, and why, in a line. `view`: the one that says the view size.
pub fn config(arguments: &Arguments, error: &ConfigError, view: &str) -> String {
    use gossip::ConfigError as Gossip;
    match error {
        ConfigError::OutOfBounds {
            setting: "growing",
            value,
            ..
        } => format!(
            "--bootstrap growing: takes {value} rounds, must be at most --rounds {}",
            arguments.rounds
        ),
        ConfigError::OutOfBounds {
            setting,
            value,
            min,
            max,
        } => format!("--{setting} {value}: must be {min} to {max}"),
        ConfigError::NotAFraction { setting, value } => {
            format!("--{setting} {value}: must be a fraction from 0 to 1")
        }
        ConfigError::ViewTooLarge { view_size, nodes } => {
            format!("--{view} {view_size}: must be smaller than the network of {nodes} nodes")
        }
        ConfigError::AfterTheLastRound {
            setting,
            round,
            rounds,
        } => format!("--{setting}: round {round} comes after the last round, {rounds}"),
        ConfigError::Attackers { fraction, nodes } => format!(
            "--attackers {fraction}: must be at least one of {nodes} nodes, and leave two of them \
             honest"
        ),
        ConfigError::TooManyNewcomers { churn, rounds } => {
            format!("--churn {churn}: brings more than 2^31 nodes in --rounds {rounds}")
        }
        ConfigError::EmptyPartition { from, to } => {
            format!("--partition {from}..{to}: must end after it begins")
        }
        ConfigError::Latency(Latency::LogNormal { median, sigma }) => {
            match *median > Latency::MAX {
                true => format!("--latency {}: must be at most an hour", median.as_millis()),
                false => format!("--jitter {sigma}: must be 0 to 5"),
            }
        }
        ConfigError::Sampler(Gossip::Quarantine(_)) => {
            let Between(rounds) = arguments.quarantine.clone().unwrap_or(Between(1..1));
            let most = arguments.config().gossip().period();
            let most = Backoff::LONGEST.as_secs() / most.as_secs().max(1);
            format!(
                "--quarantine {}..{}: must not go down, nor beyond {most}",
                rounds.start, rounds.end
            )
        }
        ConfigError::Sampler(Gossip::OutOfBounds {
            setting,
            value,
            min,
            max,
        }) => {
            let argument = match *setting {
                "view size" => view,
                other => other,
            };
            format!("--{argument} {value}: must be {min} to {max}")
        }
        ConfigError::Sampler(Gossip::Overlay(error)) => overlay(arguments, error),
        other => other.to_string(),
    }
}

/// The same of what an overlay says: there is only one thing about each that can be wrong, or two.
pub fn overlay(arguments: &Arguments, error: &OverlayError) -> String {
    let (view, half) = (arguments.view, arguments.view / 2);
    let bad_length = |length: &usize| !(1..=view).contains(length);
    if let Some(length) = arguments.shuffle_length.filter(bad_length) {
        return format!("--shuffle-length {length}: must be 1 to --view {view}");
    }
    if let Some(Pair(slots, rounds)) = arguments.renewal {
        return format!(
            "--renewal {slots}/{rounds}: must be at most as many slots as --view {view}"
        );
    }
    match (arguments.healer, arguments.swapper) {
        (Some(healer), None) => {
            format!("--healer {healer}: must be at most half of --view {view}, {half}")
        }
        (None, Some(swapper)) => {
            format!("--swapper {swapper}: must be at most half of --view {view}, {half}")
        }
        (Some(healer), Some(swapper)) => format!(
            "--healer {healer} --swapper {swapper}: must together be at most half of --view \
             {view}, {half}"
        ),
        (None, None) => format!("--overlay: {error}"),
    }
}

/// What clap says, in a line that begins with the argument.
pub fn clap(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let argument = argument.split(' ').next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.kind(), source) {
        (ErrorKind::ValueValidation, Some(reason)) => format!("{argument} {value}: {reason}"),
        (ErrorKind::InvalidValue, _) if value.is_empty() => format!("{argument}: needs a value"),
        (ErrorKind::InvalidValue, _) => {
            let possible = context(ContextKind::ValidValue);
            format!("{argument} {value}: must be one of {possible}")
        }
        (ErrorKind::UnknownArgument, _) => format!("{argument}: there is no such argument"),
        (ErrorKind::ArgumentConflict, _) => format!("{argument}: given twice"),
        _ => {
            let text = error.to_string();
            let reason = text.lines().take_while(|line| !line.is_empty());
            let words: Vec<&str> = reason.flat_map(str::split_whitespace).collect();
            words.join(" ").trim_start_matches("error: ").to_owned()
        }
    }
}
