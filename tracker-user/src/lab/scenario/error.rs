//! What is wrong with a scenario, and where.

use std::ops::Range;
use std::path::Path;

/// What can go wrong with a scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Its file says something that cannot be.
    #[error("{file}:{line}:{column}: {what}. {remedy}")]
    Wrong {
        /// The file's name.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Its file cannot be read.
    #[error("{file}: {source}. Name a file, or a scenario of `tracker lab list`")]
    Read {
        /// The file's name.
        file: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// There is none of this name.
    #[error(
        "no scenario is named `{0}`. See `tracker lab list`, or name a file that ends in .toml"
    )]
    Unknown(String),
    /// What is asked for beside the scenario cannot be.
    #[error("{what}. {remedy}")]
    Override {
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// As much as is asked for cannot be made.
    #[error("population `{population}` of {scenario}: {what}. {remedy}")]
    TooMuch {
        /// The scenario's name.
        scenario: String,
        /// The population's name.
        population: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}

/// What is wrong at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub span: Range<usize>,
    pub what: String,
    pub remedy: String,
}

impl Wrong {
    pub fn new(span: Range<usize>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            span,
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// As the parser says it.
    pub fn of(error: &toml::de::Error, text: &str) -> Self {
        let message = error.message().trim_end_matches('.').replace('\n', ", ");
        Self::new(
            error.span().unwrap_or(text.len()..text.len()),
            message,
            "Mend it there; `tracker lab show web-short` prints a scenario that works",
        )
    }

    pub fn at(self, file: &str, text: &str) -> ScenarioError {
        let (line, column) = place(text, self.span.start);
        ScenarioError::Wrong {
            file: file.to_owned(),
            line,
            column,
            what: self.what,
            remedy: self.remedy,
        }
    }
}

impl ScenarioError {
    pub(super) fn read(file: &Path, source: std::io::Error) -> Self {
        Self::Read {
            file: file.display().to_string(),
            source,
        }
    }
}

/// Line and column of a byte.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[begin..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters() {
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("a\nöb", 4), (2, 2));
        assert_eq!(place("a\nöb", 3), (2, 1));
        assert_eq!(place("a\n", 9), (2, 1));
    }
}
