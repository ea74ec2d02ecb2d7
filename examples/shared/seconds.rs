//! Arguments that are times.

/// Seconds, from a millisecond to a day.
///
/// # Errors
///
/// What is wrong with the argument, in a line.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match (0.001..=86_400.0).contains(&seconds) {
        true => Ok(seconds),
        false => Err("not between 0.001 and 86400".to_owned()),
    }
}
