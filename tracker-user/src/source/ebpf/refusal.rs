//! What the kernel says when it refuses something, in one line.

use std::error::Error;

use aya::programs::ProgramError;

/// Characters that are kept of a verifier's log: its end, where the reason is.
const LOG: usize = 400;

/// Why a hook was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `fentry` or `kprobe`.
    pub kind: &'static str,
    /// The kernel's word.
    pub why: String,
    /// The kernel does not allow it, or does not have it; nothing is wrong with the program.
    pub is_policy: bool,
}

impl Refusal {
    /// From the loader's error.
    pub fn of(kind: &'static str, error: &ProgramError) -> Self {
        match error {
            ProgramError::LoadError {
                io_error,
                verifier_log,
            } => Self::of_load(kind, io_error, &verifier_log.to_string()),
            _ => Self {
                kind,
                why: last(error),
                is_policy: kind == "kprobe",
            },
        }
    }

    /// No trampoline without the function's type.
    pub fn untyped(function: &str) -> Self {
        Self {
            kind: "fentry",
            why: format!("no type information of {function}"),
            is_policy: false,
        }
    }

    /// From the system's word and the verifier's, which is empty where it had none.
    pub fn of_load(kind: &'static str, error: &std::io::Error, log: &str) -> Self {
        let is_policy = log.trim().is_empty();
        let colon = if is_policy { "" } else { ": " };
        Self {
            kind,
            why: format!("{error}{colon}{}", end(log)),
            is_policy,
        }
    }
}

/// Each different refusal once.
pub fn all(refusals: Vec<Refusal>) -> (String, bool) {
    let mut said: Vec<Refusal> = Vec::new();
    for refusal in refusals {
        if !said.contains(&refusal) {
            said.push(refusal);
        }
    }
    let is_policy = said.iter().all(|refusal| refusal.is_policy);
    let words: Vec<String> = said
        .iter()
        .map(|refusal| format!("{}: {}", refusal.kind, refusal.why))
        .collect();
    (words.join("; "), is_policy)
}

/// An error's innermost cause that says something, after the error itself.
pub fn last(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors already hold the words of their cause.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    end(&text)
}

/// The end of a text, on one line.
fn end(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().rev().nth(LOG) {
        Some((at, _)) => format!("… {}", &text[at..]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_said_once() {
        let refusal = |kind| Refusal {
            kind,
            why: "not permitted".to_owned(),
            is_policy: true,
        };
        let (text, is_policy) = all(vec![
            refusal("fentry"),
            refusal("kprobe"),
            refusal("fentry"),
            refusal("kprobe"),
        ]);
        assert_eq!(text, "fentry: not permitted; kprobe: not permitted");
        assert!(is_policy);
    }

    #[test]
    fn of_a_long_log_the_end_is_kept() {
        let text = end(&format!("{}\nthe reason", "line\n".repeat(500)));
        assert!(
            text.starts_with('…') && text.ends_with("the reason"),
            "{text}"
        );
        assert!(text.chars().count() < LOG + 5);
    }

    #[test]
    fn a_cause_is_not_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("no file: {source}")]
        struct Outer {
            source: std::io::Error,
        }
        let error = Outer {
            source: std::io::Error::other("gone"),
        };
        assert_eq!(last(&error), "no file: gone");
    }
}
