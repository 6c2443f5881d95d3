//! Writes type information, for tests.

use std::collections::BTreeMap;

use super::{Btf, raw};

/// A file under construction.
pub(super) struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
    names: BTreeMap<String, u32>,
    next_id: u32,
    first_string: u32,
}

impl Writer {
    /// That of a kernel.
    pub fn new() -> Self {
        Self::from(1, 0, vec![0])
    }

    /// That of a module.
    pub fn after(base: &Btf) -> Self {
        Self::from(base.end_id(), base.end_string(), Vec::new())
    }

    fn from(next_id: u32, first_string: u32, strings: Vec<u8>) -> Self {
        Self {
            types: Vec::new(),
            strings,
            names: BTreeMap::new(),
            next_id,
            first_string,
        }
    }

    /// A name's offset.
    pub fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let next = self.first_string + u32::try_from(self.strings.len()).unwrap();
        *self.names.entry(name.to_owned()).or_insert_with(|| {
            self.strings.extend(name.bytes().chain([0]));
            next
        })
    }

    /// Adds a type, and returns its id. `value` is a size or the id of another type.
    pub fn add(
        &mut self,
        (kind, flag): (u8, bool),
        name: &str,
        count: u32,
        value: u32,
        tail: &[u32],
    ) -> u32 {
        let name = self.name(name);
        let info = u32::from(flag) << 31 | u32::from(kind) << 24 | count;
        let words = [name, info, value].into_iter().chain(tail.iter().copied());
        self.types.extend(words.flat_map(u32::to_le_bytes));
        self.next_id += 1;
        self.next_id - 1
    }

    /// Adds an unsigned integer.
    pub fn int(&mut self, name: &str, bytes: u32) -> u32 {
        self.add((raw::INT, false), name, 0, bytes, &[bytes * 8])
    }

    /// Adds a struct of members: name, type, offset in bits (with a bit field's size on top).
    pub fn structure(
        &mut self,
        name: &str,
        flag: bool,
        bytes: u32,
        of: &[(&str, u32, u32)],
    ) -> u32 {
        let mut tail = Vec::new();
        for &(member, id, bit) in of {
            tail.extend([self.name(member), id, bit]);
        }
        let count = u32::try_from(of.len()).unwrap();
        self.add((raw::STRUCT, flag), name, count, bytes, &tail)
    }

    /// Adds an array.
    pub fn array(&mut self, of: u32, elements: u32) -> u32 {
        self.add((raw::ARRAY, false), "", 0, 0, &[of, 0, elements])
    }

    /// The file.
    pub fn finish(&self) -> Vec<u8> {
        let types = u32::try_from(self.types.len()).unwrap();
        let strings = u32::try_from(self.strings.len()).unwrap();
        let mut bytes = raw::MAGIC.to_le_bytes().to_vec();
        bytes.extend([1, 0]);
        let header = u32::try_from(raw::HEADER).unwrap();
        bytes.extend(
            [header, 0, types, types, strings]
                .into_iter()
                .flat_map(u32::to_le_bytes),
        );
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}
