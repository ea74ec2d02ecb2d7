//! The plots of the example.

use super::*;

#[test]
fn a_plot_that_cannot_be_written_is_found_out_before_the_first_round() {
    let path = file("nowhere").join("plot.svg");
    let path = path.to_str().expect("a plain path");
    let output = run(&format!("{SMALL} --plot {path}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors.starts_with(&format!("simulate: --plot {path}: ")),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(output.stdout.is_empty());
}

/// Arguments that cannot be are no reason to overwrite the figure of those that could.
#[test]
fn a_plot_is_left_alone_when_something_else_is_wrong() {
    let path = file("kept.svg");
    fs::write(&path, "kept").expect("it can be written");
    let args = format!("--view 0 --plot {}", path.display());
    assert_eq!(run(&args).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "kept");
    fs::remove_file(path).expect("it can be removed");
}

#[test]
fn a_plot_is_well_formed_and_the_same_for_the_same_seed() {
    let draw = |name: &str, args: &str| {
        let path = file(name);
        printed(&format!("{args} --plot {}", path.display()));
        let svg = fs::read_to_string(&path).expect("it was written");
        fs::remove_file(path).expect("it can be removed");
        svg
    };
    for (name, args) in [
        ("plain", SMALL),
        (
            "faults",
            "--nodes 200 --rounds 20 --crash 0.5@10 --churn 0.01 --partition 5..8",
        ),
        // Curves over several orders of magnitude.
        ("chain", "--nodes 300 --bootstrap chain --rounds 30"),
        ("nobody", "--nodes 50 --rounds 2 --crash 1@2"),
        ("flood", "--nodes 200 --rounds 20 --attackers 0.1"),
        (
            "eclipse",
            "--nodes 200 --rounds 20 --attackers 0.1 --attack eclipse",
        ),
        (
            "spray",
            "--nodes 200 --rounds 20 --attackers 0.1 --attack spray",
        ),
        // More than one in-degree to a bar.
        (
            "star",
            "--nodes 150 --view 140 --bootstrap star --rounds 2 --propagation push",
        ),
    ] {
        let draw = |name: &str| draw(name, args);
        let svg = draw(&format!("{name}.svg"));
        assert_eq!(draw(&format!("{name}-again.svg")), svg);
        well_formed(&svg);
        for title in [
            "In-degree",
            "Dead links",
            "Clustering",
            "path length",
            "In-degrees",
        ] {
            assert!(svg.contains(title), "{name}: {title}");
        }
        let attackers = args.contains("--attackers");
        assert_eq!(svg.contains("Attackers in honest views"), attackers);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
}

/// Every element that is opened is closed, and nothing else is in angle brackets.
fn well_formed(svg: &str) {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "{part}");
        let name = |tag: &str| tag.split_whitespace().next().map(str::to_owned);
        match tag.strip_prefix('/') {
            Some(tag) => assert_eq!(open.pop(), name(tag), "{part}"),
            None if tag.ends_with('/') => {}
            None => open.extend(name(tag)),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{part}");
    }
    assert!(open.is_empty(), "{open:?}");
}
