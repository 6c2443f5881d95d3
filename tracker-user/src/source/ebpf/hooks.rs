//! What to hook: for each event the functions that show it, best first.
//!
//! A pure function of what the kernel has; what it then takes is found out by loading.

use tracker_common::Proto;

/// Type of the first argument of every function.
const ENTRY: &str = "struct nf_conn *";

/// What a hook watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Name, which is also the stem of the program's names.
    pub name: &'static str,
    /// Protocol whose packets it shows.
    pub proto: Option<Proto>,
    functions: &'static [Function],
}

impl Event {
    /// A watch without it would not be one.
    pub fn is_required(&self) -> bool {
        !matches!(
            self.proto,
            Some(Proto::Gre | Proto::Sctp | Proto::Icmpv6 | Proto::Udplite)
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Function {
    name: &'static str,
    /// Callers inside the module may go past it, to a part that the compiler split off.
    splits: bool,
    /// Stem of the names of a program of its own; else it is the event's.
    program: Option<&'static str>,
    /// How to tell that no caller has a copy of it inlined, where one may.
    trace: Option<Trace>,
}

/// What a copy of a function would show: a branch to this function, which the original has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trace {
    to: &'static str,
    /// Functions that have such a branch of their own.
    others: &'static [&'static str],
}

impl Trace {
    /// Says why not, if the original is not known to be the only one.
    fn is_sole(&self, original: &str, kernel: &impl Kernel) -> Result<(), String> {
        let callers = kernel.callers(self.to)?;
        if !callers.iter().any(|it| it == original) {
            return Err(format!("it has no branch to {}", self.to));
        }
        let known = |it: &str| it == original || self.others.contains(&it);
        match callers.iter().find(|it| !known(it)) {
            Some(copy) => Err(format!("{copy} has a branch to {}, too", self.to)),
            None => Ok(()),
        }
    }
}

const fn whole(name: &'static str) -> Function {
    Function {
        name,
        splits: false,
        program: None,
        trace: None,
    }
}

/// All events. Every function takes the `struct nf_conn *` first.
///
/// Destroy: `__nf_ct_delete_from_lists` is called once for each entry that leaves the table, with
/// softirqs off, so that no death can interrupt the program that counts another: the kernel would
/// skip that one's. But it is static, and a compiler may inline it into one of its two callers while
/// the other keeps the symbol: deaths would pass it unseen. A copy calls
/// `nf_ct_remove_expectations`, which lies in another translation unit. So it is taken only where
/// the machine code of conntrack's functions shows that call in nobody but itself and in what
/// destroys an entry that has left.
///
/// `nf_ct_remove_expectations` is called there with softirqs off, but for an entry that has left
/// again, and with softirqs on; and for living entries. The program leaves those out.
/// `nf_ct_helper_destroy` is called once, but with softirqs on. Both lie in other translation units
/// than their callers, so they can neither be inlined nor split. `nf_ct_delete` comes a moment
/// earlier, and is passed over where the compiler split it (5.10, 7.2: `.part.0`).
/// `nf_conntrack_free` also sees what was never in the table, which the program leaves out; it
/// comes too late to tell a reset or a reopening from any other deletion.
pub const EVENTS: &[Event] = &[
    Event {
        name: "destroy",
        proto: None,
        functions: &[
            Function {
                name: "__nf_ct_delete_from_lists",
                splits: true,
                program: Some("freed"),
                trace: Some(Trace {
                    to: "nf_ct_remove_expectations",
                    others: &["nf_ct_destroy", "destroy_conntrack"],
                }),
            },
            whole("nf_ct_remove_expectations"),
            whole("nf_ct_helper_destroy"),
            Function {
                name: "nf_ct_delete",
                splits: true,
                program: Some("deleted"),
                trace: None,
            },
            Function {
                name: "nf_conntrack_free",
                splits: false,
                program: Some("freed"),
                trace: None,
            },
        ],
    },
    Event {
        name: "insert",
        proto: None,
        functions: &[whole("__nf_conntrack_hash_insert")],
    },
    packets(
        "tcp_packet",
        Proto::Tcp,
        &[whole("nf_conntrack_tcp_packet")],
    ),
    packets(
        "udp_packet",
        Proto::Udp,
        &[whole("nf_conntrack_udp_packet")],
    ),
    packets(
        "udplite_packet",
        Proto::Udplite,
        &[whole("nf_conntrack_udplite_packet")],
    ),
    packets(
        "icmp_packet",
        Proto::Icmp,
        &[whole("nf_conntrack_icmp_packet")],
    ),
    packets(
        "icmpv6_packet",
        Proto::Icmpv6,
        &[whole("nf_conntrack_icmpv6_packet")],
    ),
    packets(
        "gre_packet",
        Proto::Gre,
        &[whole("nf_conntrack_gre_packet")],
    ),
    packets(
        "sctp_packet",
        Proto::Sctp,
        &[whole("nf_conntrack_sctp_packet")],
    ),
];

const fn packets(name: &'static str, proto: Proto, functions: &'static [Function]) -> Event {
    Event {
        name,
        proto: Some(proto),
        functions,
    }
}

/// A choice made by hand: this function for this event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Event.
    pub event: String,
    /// Function.
    pub function: String,
}

impl std::str::FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || {
            EVENTS
                .iter()
                .map(|event| event.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (event, function) = text.split_once('=').ok_or_else(|| {
            "not EVENT=FUNCTION. Give for example destroy=nf_ct_delete".to_owned()
        })?;
        let Some(known) = EVENTS.iter().find(|it| it.name == event) else {
            return Err(format!("no event {event}. Name one of {}", names()));
        };
        if !known.functions.iter().any(|it| it.name == function) {
            return Err(format!(
                "{function} does not show the event {event}. Name one of {}",
                looked_for(known)
            ));
        }
        Ok(Self {
            event: event.to_owned(),
            function: function.to_owned(),
        })
    }
}

/// How programs are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Attach {
    /// The cheapest that the kernel takes
    #[default]
    Best,
    /// By trampolines, which need type information of the function
    Fentry,
    /// By kprobes
    Kprobe,
}

/// What the choice depends on.
pub trait Kernel {
    /// A function of this very name.
    fn has(&self, function: &str) -> bool;
    /// The compiler has split a part off this function.
    fn is_split(&self, function: &str) -> bool;
    /// Type of the first argument, where type information tells: `Some(None)` if it has none.
    fn first_argument(&self, function: &str) -> Option<Option<String>>;
    /// Conntrack's functions whose machine code branches to this one, without a compiler's suffix;
    /// or why that cannot be told.
    fn callers(&self, function: &str) -> Result<Vec<String>, String>;
}

/// Functions that show an event on this kernel, best first.
pub fn candidates(event: &Event, kernel: &impl Kernel, pins: &[Pin]) -> Vec<String> {
    let pinned = pins.iter().find(|pin| pin.event == event.name);
    event
        .functions
        .iter()
        .filter(|function| match pinned {
            Some(pin) => pin.function == function.name,
            None => !(function.splits && kernel.is_split(function.name)),
        })
        .filter(|function| kernel.has(function.name))
        .filter(|function| match kernel.first_argument(function.name) {
            Some(found) => found.as_deref() == Some(ENTRY),
            None => true,
        })
        .filter(|function| pinned.is_some() || is_sole(function, kernel))
        .map(|function| function.name.to_owned())
        .collect()
}

/// Functions of which it must be known who goes to them.
pub fn traced() -> impl Iterator<Item = &'static str> {
    let functions = EVENTS.iter().flat_map(|event| event.functions);
    functions.filter_map(|function| Some(function.trace?.to))
}

/// Whoever calls the function comes through its entry, as far as callers in the same translation
/// unit are concerned.
fn is_sole(function: &Function, kernel: &impl Kernel) -> bool {
    let Some(trace) = function.trace else {
        return true;
    };
    trace
        .is_sole(function.name, kernel)
        .inspect_err(|why| log::debug!("{} is passed over: {why}", function.name))
        .is_ok()
}

/// Stem of the names of the programs for a function.
pub fn program(event: &Event, function: &str) -> &'static str {
    let of = |it: &&Function| it.name == function;
    let function = event.functions.iter().find(of);
    function.and_then(|it| it.program).unwrap_or(event.name)
}

/// The functions that were looked for, in words.
pub fn looked_for(event: &Event) -> String {
    event
        .functions
        .iter()
        .map(|function| function.name)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests;
