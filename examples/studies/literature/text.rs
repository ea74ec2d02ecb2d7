//! Lines as text: a table, or JSON.

use serde::Serialize;

use crate::literature::{
    check::{Kind, Line},
    study::{Paper, Study},
};

/// How wide text may be.
const WIDTH: usize = 80;

/// What stands above everything.
pub fn header() -> String {
    let mut text =
        "The published figures of the literature, by the state machine of this crate.\n\n"
            .to_owned();
    for (kind, meaning) in [
        (Kind::Plot, "read off a plot"),
        (Kind::Printed, "printed in the text or a table"),
        (
            Kind::Simulated,
            "not published: of an independent simulation, in synchronous cycles",
        ),
        (
            Kind::Recollected,
            "recalled from memory: shown, not counted",
        ),
        (Kind::Unlisted, "not published: shown for comparison"),
    ] {
        text += &format!("  {}  {meaning}\n", kind.letter());
    }
    text
}

/// What stands above the figures of one paper.
pub fn paper(paper: Paper) -> String {
    let settings: String = paper
        .settings
        .iter()
        .map(|line| wrapped(line, ""))
        .collect();
    format!("\n{}\n{settings}", wrapped(paper.title, ""))
}

/// What stands above the figures of one place in it.
pub fn place(study: &Study) -> String {
    let place = format!("{}: {}", study.paper.name, study.place);
    let columns = ["published", "ours", "off", "allowed"];
    let [published, ours, off, allowed] = columns;
    format!(
        "\n{}{:30}    {published:>9} {ours:>8} {off:>8} {allowed:>7}\n",
        wrapped(&place, ""),
        ""
    )
}

/// A set-up and its figures.
pub fn set_up(study: &Study, lines: &[Line]) -> String {
    let mut text = format!("{}\n", study.set_up);
    for line in lines {
        text += &format!(
            "  {:30} {} {:>9} {:>8} {:>8} {:>7}  {}\n",
            line.what,
            line.kind.letter(),
            line.published_text(),
            line.number(line.ours),
            line.deviation_text(),
            line.tolerance_text(),
            line.verdict(),
        );
    }
    text
}

/// How many are as near as they have to be, and why the others are not.
pub fn summary(lines: &[(&Study, Line)]) -> String {
    let compared: Vec<_> = lines
        .iter()
        .filter(|(_, line)| line.within().is_some())
        .collect();
    let outside: Vec<_> = compared
        .iter()
        .filter(|(_, line)| line.within() == Some(false))
        .collect();
    let mut text = format!(
        "\n{} of {} published figures within their tolerance; {} lines more for comparison.\n",
        compared.len() - outside.len(),
        compared.len(),
        lines.len() - compared.len()
    );
    let mut reasons: Vec<&str> = Vec::new();
    for (_, line) in &outside {
        if !reasons.contains(&line.reason.as_str()) {
            reasons.push(&line.reason);
        }
    }
    for reason in reasons {
        text.push('\n');
        for (study, line) in outside.iter().filter(|(_, line)| line.reason == reason) {
            let what = format!(
                "{}, {}: {} {}, published {} ({})",
                study.paper.name,
                study.set_up,
                line.what.trim(),
                line.number(line.ours),
                line.published_text(),
                line.deviation_text(),
            );
            text += &wrapped(&what, "");
        }
        let reason = match reason.is_empty() {
            true => "We do not know why.",
            false => reason,
        };
        text += &wrapped(reason, "    ");
    }
    text
}

/// `text` in lines of a bounded width, each after `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent.len() + line.len() + 1 + word.len() > WIDTH {
            lines += &format!("{indent}{line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &format!("{indent}{line}\n")
}

/// A line as JSON has it.
#[derive(Serialize)]
struct Json<'a> {
    paper: &'a str,
    place: &'a str,
    set_up: &'a str,
    what: &'a str,
    kind: Kind,
    /// From and to; `null` stands for no bound.
    published: Option<[Option<f64>; 2]>,
    ours: f64,
    deviation: Option<f64>,
    tolerance: Option<f64>,
    within: Option<bool>,
    reason: Option<&'a str>,
}

/// The figures of a set-up, one line of JSON each.
pub fn json(study: &Study, lines: &[Line]) -> String {
    let finite = |value: f64| value.is_finite().then_some(value);
    let mut text = String::new();
    for line in lines {
        let json = Json {
            paper: study.paper.name,
            place: study.place,
            set_up: &study.set_up,
            what: line.what.trim(),
            kind: line.kind,
            published: line.published.map(|(from, to)| [finite(from), finite(to)]),
            ours: line.ours,
            deviation: line.deviation(),
            tolerance: line.within().and(line.allowed()),
            within: line.within(),
            reason: (line.within() == Some(false)).then_some(&line.reason),
        };
        text += &serde_json::to_string(&json).expect("numbers and strings");
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::literature::{check::Tolerance, cyclon, failures, tman, tocs};

    #[test]
    fn a_line() {
        let study = &cyclon::studies()[0];
        let line = Line::plot_range("rounds", 30.0, 32.0, 35.0)
            .allowing(Tolerance::Absolute(2.0))
            .decimals(0)
            .because("Some reason.");
        let text = set_up(study, std::slice::from_ref(&line));
        let figures = text.lines().nth(1).unwrap();
        let cells: Vec<&str> = figures.split_whitespace().collect();
        assert_eq!(cells, ["rounds", "D", "30-32", "35", "+3", "2", "OUTSIDE"]);
        let unlisted = Line::unlisted("more", 1.0);
        let summary = summary(&[(study, line), (study, unlisted)]);
        assert!(summary.contains("0 of 1 published figures within their tolerance; 1 lines more"));
        assert!(summary.contains("rounds 35, published") && summary.contains("    Some reason."));
    }

    #[test]
    fn headings_fit() {
        let studies = [
            tocs::studies(),
            failures::studies(),
            cyclon::studies(),
            tman::studies(),
        ];
        for study in studies.iter().flatten() {
            for text in [paper(study.paper), place(study), set_up(study, &[])] {
                let fits = |line: &str| line.chars().count() <= WIDTH;
                assert!(text.lines().all(fits), "{text}");
            }
        }
    }
}
