//! Counters as bytes, each under a name of its own.
//!
//! The bytes are pairs of variable-length integers: how many counters were passed over since the
//! last pair, and the value (zigzag: the time that living entries have spent goes down as well).
//! Counters at 0 are not written. Which number is which counter stands in the table `counter`, by
//! name, so that later versions may know more of them, or others.

use std::collections::HashMap;

use integer_encoding::VarInt;
use tracker_common::{Cause, Proto, Reason, State, Timer, layout::Counters};

type Name = fn(usize) -> Option<String>;

fn proto(id: usize) -> Option<String> {
    Proto::from_id(id).map(|it| it.name().to_owned())
}

fn state(id: usize) -> Option<String> {
    State::from_id(id).map(|it| it.name().to_owned())
}

fn timer(id: usize) -> Option<String> {
    Timer::from_id(id).map(|it| it.name().to_owned())
}

fn cause(id: usize) -> Option<String> {
    Cause::from_id(id).map(|it| it.name().to_owned())
}

fn death(place: usize) -> Option<String> {
    let state = State::from_id(place / Reason::SLOTS)?;
    let reason = Reason::from_id(place % Reason::SLOTS)?;
    Some(format!("{}/{}", state.name(), reason.name()))
}

/// Every group of counters, in the order in which they are numbered.
fn groups(counters: &mut Counters) -> [(&'static str, Name, &mut [u64]); 12] {
    let Counters {
        inserts,
        pickups,
        entered,
        moved_on,
        expired,
        killed,
        live_us,
        deaths,
        timer_expired,
        gaps,
        connections,
        causes,
    } = counters;
    [
        ("inserts", proto, inserts),
        ("pickups", proto, pickups),
        ("entered", state, entered),
        ("moved_on", state, moved_on),
        ("expired", state, expired),
        ("killed", state, killed),
        ("live_us", state, live_us),
        ("deaths", death, deaths.as_flattened_mut()),
        ("timer_expired", timer, timer_expired),
        ("gaps", timer, gaps),
        ("connections", timer, connections),
        ("causes", cause, causes),
    ]
}

/// Number and name (`deaths/tcp_close/expired`) of every counter that has a meaning.
pub fn names() -> Vec<(usize, String)> {
    let mut counters = Counters::ZERO;
    let mut names = Vec::new();
    let mut base = 0;
    for (group, name, slots) in groups(&mut counters) {
        let named = (0..slots.len()).filter_map(|id| Some((base + id, name(id)?)));
        names.extend(named.map(|(number, name)| (number, format!("{group}/{name}"))));
        base += slots.len();
    }
    names
}

/// What `now` adds to `last`.
pub fn difference(now: &Counters, last: &Counters) -> Box<Counters> {
    let mut result = Box::new(*now);
    let mut last = *last;
    for ((_, _, slots), (_, _, before)) in groups(&mut result).into_iter().zip(groups(&mut last)) {
        for (slot, before) in slots.iter_mut().zip(before) {
            *slot = slot.wrapping_sub(*before);
        }
    }
    result
}

/// Adds `other` to `sum`.
pub fn add(sum: &mut Counters, other: &Counters) {
    let mut other = *other;
    for ((_, _, slots), (_, _, more)) in groups(sum).into_iter().zip(groups(&mut other)) {
        for (slot, more) in slots.iter_mut().zip(more) {
            *slot = slot.wrapping_add(*more);
        }
    }
}

/// The counters that are not 0, as bytes.
pub fn encode(counters: &Counters) -> Vec<u8> {
    let mut counters = *counters;
    let mut bytes = Vec::new();
    let mut skipped = 0_u64;
    for (_, _, slots) in groups(&mut counters) {
        for &mut value in slots {
            if value == 0 {
                skipped += 1;
                continue;
            }
            bytes.extend(skipped.encode_var_vec());
            bytes.extend(value.cast_signed().encode_var_vec());
            skipped = 0;
        }
    }
    bytes
}

/// Numbers in a recording, and what they are here.
pub struct Decoder {
    places: HashMap<u64, usize>,
}

impl Decoder {
    /// From the recording's own list of numbers and names. Unknown names are passed over.
    pub fn new(listed: impl IntoIterator<Item = (u64, String)>) -> Self {
        let known: HashMap<String, usize> = names()
            .into_iter()
            .map(|(number, name)| (name, number))
            .collect();
        let places = listed
            .into_iter()
            .filter_map(|(number, name)| Some((number, *known.get(&name)?)));
        Self {
            places: places.collect(),
        }
    }

    /// Reads what [`encode`] wrote; `None` when the bytes are damaged.
    pub fn decode(&self, mut bytes: &[u8]) -> Option<Box<Counters>> {
        let mut cells = vec![0_u64; names().last()?.0 + 1];
        let mut number = 0_u64;
        while !bytes.is_empty() {
            let (skipped, length) = u64::decode_var(bytes)?;
            bytes = bytes.get(length..)?;
            let (value, length) = i64::decode_var(bytes)?;
            bytes = bytes.get(length..)?;
            number = number.checked_add(skipped)?;
            if let Some(cell) = self
                .places
                .get(&number)
                .and_then(|&place| cells.get_mut(place))
            {
                *cell = value.cast_unsigned();
            }
            number = number.checked_add(1)?;
        }
        let mut counters = Box::new(Counters::ZERO);
        let mut cells = cells.into_iter();
        for (_, _, slots) in groups(&mut counters) {
            for (slot, cell) in slots.iter_mut().zip(&mut cells) {
                *slot = cell;
            }
        }
        Some(counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoder() -> Decoder {
        Decoder::new(
            names()
                .into_iter()
                .map(|(number, name)| (number as u64, name)),
        )
    }

    fn some(values: &[(usize, u64)]) -> Counters {
        let mut counters = Counters::ZERO;
        let known = names();
        for &(pick, value) in values {
            let mut number = known[pick % known.len()].0;
            for (_, _, slots) in groups(&mut counters) {
                match slots.get_mut(number) {
                    Some(slot) => {
                        *slot = value;
                        break;
                    }
                    None => number -= slots.len(),
                }
            }
        }
        counters
    }

    #[test]
    fn names_are_unique_and_readable() {
        let names: Vec<String> = names().into_iter().map(|(_, name)| name).collect();
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        assert!(names.contains(&"deaths/tcp_syn_sent/early_drop".to_owned()));
        assert!(names.contains(&"timer_expired/udp_timeout".to_owned()));
    }

    #[test]
    fn a_counter_that_moved_is_found_by_its_name() {
        let bytes = encode(&some(&[(0, 5)]));
        let mut listed: Vec<(u64, String)> = names()
            .into_iter()
            .map(|(number, name)| (number as u64, name))
            .collect();
        listed[0].1 = "pickups/udp".to_owned();
        let read = Decoder::new(listed).decode(&bytes).unwrap();
        assert_eq!(read.pickups[Proto::Udp.id()], 5);
        assert_eq!(read.inserted(), 0);
    }

    proptest! {
        #[test]
        fn counters_come_back(values in prop::collection::vec(any::<(usize, u64)>(), 0..40)) {
            let counters = some(&values);
            prop_assert_eq!(*decoder().decode(&encode(&counters)).unwrap(), counters);
        }

        #[test]
        fn differences_add_up(
            a in prop::collection::vec(any::<(usize, u64)>(), 0..40),
            b in prop::collection::vec(any::<(usize, u64)>(), 0..40),
        ) {
            let (a, b) = (some(&a), some(&b));
            let mut sum = a;
            add(&mut sum, &difference(&b, &a));
            prop_assert_eq!(sum, b);
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decoder().decode(&bytes);
        }
    }
}
