//! Writes the results: text to standard output, a figure to a file.

use std::{
    fmt::Display,
    fs::File,
    io::{ErrorKind, Write, stdout},
    path::{Path, PathBuf},
};

/// Prints `text`, and returns whether there is still anybody to read it.
///
/// # Errors
///
/// Why it cannot be printed, in a line.
pub fn print(text: &str) -> Result<bool, String> {
    let printed = stdout().write_all(text.as_bytes());
    match printed.and_then(|()| stdout().flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.to_string()),
        Ok(()) => Ok(true),
    }
}

/// The file that `--plot` names. It is created before the work, which may take minutes, and written
/// after it.
#[derive(Debug)]
pub struct Plot {
    path: PathBuf,
    file: File,
}

impl Plot {
    /// # Errors
    ///
    /// Why the file cannot be made, in a line that names the argument.
    pub fn create(path: &Path) -> Result<Self, String> {
        let blame = |error| blame(path, &error);
        Ok(Self {
            path: path.to_owned(),
            file: File::create(path).map_err(blame)?,
        })
    }

    /// # Errors
    ///
    /// Why the figure could not be drawn, or not be written, in a line that names the argument.
    pub fn write<E: Display>(mut self, figure: Result<String, E>) -> Result<(), String> {
        let figure = figure.map_err(|error| blame(&self.path, &error))?;
        let written = self.file.write_all(figure.as_bytes());
        written.map_err(|error| blame(&self.path, &error))
    }
}

fn blame(path: &Path, error: &dyn Display) -> String {
    format!("--plot {}: {error}", path.display())
}
