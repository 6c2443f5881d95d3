//! What this kernel has to offer, without loading anything.

use serde::Serialize;

use super::{
    StartError,
    hooks::{self, EVENTS, Event, Kernel},
};
use crate::{
    kernel::{Root, btf::KernelBtf, symbols::Symbols},
    source::Hook,
};

/// What a kernel has for an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// `insert`, `destroy`, `tcp_packet`, …
    pub event: &'static str,
    /// There is no watch without it.
    pub required: bool,
    /// Functions that show it, best first, each with the best way to attach to it. Whether the kernel
    /// takes it is found out only by loading.
    pub candidates: Vec<Hook>,
}

/// What there is for every event.
///
/// # Errors
/// When the kernel shows no symbols or no type information.
pub fn survey(root: &Root) -> Result<Vec<Offer>, StartError> {
    let shown = Shown {
        symbols: Symbols::read(root)?,
        btf: KernelBtf::open(root)?,
    };
    Ok(EVENTS.iter().map(|event| shown.offer(event)).collect())
}

struct Shown {
    symbols: Symbols,
    btf: KernelBtf,
}

impl Shown {
    fn offer(&self, event: &Event) -> Offer {
        let candidates = hooks::candidates(event, self, &[]).into_iter();
        let hook = |symbol: String| Hook {
            event: event.name.to_owned(),
            kind: match self.btf.function_id(&symbol) {
                Some(_) => "fentry".to_owned(),
                None => "kprobe".to_owned(),
            },
            symbol,
        };
        Offer {
            event: event.name,
            required: event.is_required(),
            candidates: candidates.map(hook).collect(),
        }
    }
}

impl Kernel for Shown {
    fn has(&self, function: &str) -> bool {
        self.symbols.has(function)
    }

    fn is_split(&self, function: &str) -> bool {
        self.symbols.has_part(function)
    }

    fn first_argument(&self, function: &str) -> Option<Option<String>> {
        self.btf.first_argument(function)
    }

    fn callers(&self, _function: &str) -> Result<Vec<String>, String> {
        Err("it takes a program to read the kernel's code".to_owned())
    }
}
