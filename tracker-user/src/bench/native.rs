//! The hooks' inner functions on this machine's processor.

use serde::Serialize;

use crate::source::ebpf::native;

/// What the functions take, or why that is not known.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Native {
    /// The functions.
    pub functions: Vec<Timed>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A function, and what a call takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timed {
    /// What it does.
    pub function: String,
    /// Nanoseconds a call.
    pub ns: f64,
}

impl Native {
    /// Times them.
    #[must_use]
    pub fn time() -> Self {
        match native::time() {
            Ok(took) => Self {
                functions: took.into_iter().map(timed).collect(),
                refused: None,
            },
            // A refused program comes with the verifier's log, of which the first line says why.
            Err(error) => Self::left_out(error.to_string().lines().next().unwrap_or_default()),
        }
    }

    /// They are not timed.
    pub(super) fn left_out(why: &str) -> Self {
        Self {
            functions: Vec::new(),
            refused: Some(why.to_owned()),
        }
    }
}

fn timed((program, ns): (&'static str, f64)) -> Timed {
    let function = match program {
        "time_bucket" => "the bucket of a time",
        "time_armed_tcp" => "the timer that armed a TCP entry",
        "time_armed_udp" => "the timer that armed a UDP entry",
        other => other,
    };
    Timed {
        function: function.to_owned(),
        ns,
    }
}
