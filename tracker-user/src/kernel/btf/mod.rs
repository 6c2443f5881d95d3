//! Reads the kernel's description of its own types (BTF), for the offsets of members.
//!
//! Modules describe only what the kernel proper lacks: their types continue the numbers and
//! strings of the kernel's, the *base*. From 6.16 on they also repeat some of its types, hence
//! every search by name asks the base first.

mod error;
mod field;
mod function;
mod kernel;
mod raw;
#[cfg(test)]
mod reduce;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod writer;

use std::{
    hash::{BuildHasher as _, BuildHasherDefault},
    ops::Range,
    sync::Arc,
};

use rustc_hash::FxHasher;

use self::raw::{ENUM, ENUM64, FUNC, Record, STRUCT, Sections, UNION, word};
pub use self::{
    error::BtfError, field::Field, field::Structure, function::FunctionId, function::Param,
    kernel::KernelBtf,
};

/// Kinds of types that are looked for by name.
const NAMED: [u8; 5] = [STRUCT, UNION, ENUM, ENUM64, FUNC];

/// Types in a chain of typedefs and qualifiers at most; only damaged input has more.
const MAX_CHAIN: usize = 64;

/// Type information of the kernel, or of a module.
#[derive(Debug)]
pub struct Btf {
    base: Option<Arc<Self>>,
    bytes: Vec<u8>,
    /// Where each type begins.
    records: Vec<u32>,
    /// Hash of the name, and number among `records`, of each type that is looked for by name: ascending.
    names: Vec<(u32, u32)>,
    strings: Range<usize>,
    first_id: u32,
    first_string: u32,
}

impl Btf {
    /// Reads type information; that of a module needs the kernel's as its `base`.
    ///
    /// # Errors
    /// [`BtfError::Damaged`] when it is not well-formed. References between types are only checked
    /// as they are followed.
    pub fn parse(base: Option<Arc<Self>>, bytes: Vec<u8>) -> Result<Self, BtfError> {
        let Sections { types, strings } = Sections::read(&bytes)?;
        let (first_id, first_string) = match &base {
            None => (1, 0),
            Some(base) => (base.end_id(), base.end_string()),
        };
        let mut btf = Self {
            base,
            bytes,
            records: Vec::new(),
            names: Vec::new(),
            strings,
            first_id,
            first_string,
        };
        let mut at = types.start;
        while at < types.end {
            let damaged = |what| BtfError::Damaged { what, at };
            let within = btf.bytes.get(..types.end).unwrap_or_default();
            let (record, length) = Record::read(within, at)
                .ok_or_else(|| damaged("a type is cut off or of unknown kind"))?;
            if NAMED.contains(&record.kind)
                && let Some(name) = btf.string(record.name)
            {
                let nth = u32::try_from(btf.records.len()).unwrap_or(u32::MAX);
                btf.names.push((hash(name), nth));
            }
            let start = u32::try_from(at).map_err(|_| damaged("it is longer than 4 GiB"))?;
            btf.records.push(start);
            at += length;
        }
        btf.names.sort_unstable();
        Ok(btf)
    }

    /// Size of a struct or union in bytes.
    ///
    /// # Errors
    /// [`BtfError::NoType`].
    pub fn size_of(&self, name: &str) -> Result<u32, BtfError> {
        Ok(self.structure(name)?.size())
    }

    /// Offset of a member in bytes; the path goes through nested members, anonymous ones included,
    /// and arrays: `proto.tcp.seen[1].flags`.
    ///
    /// # Errors
    /// [`BtfError::NoType`], [`BtfError::NoMember`], or [`BtfError::BitField`].
    pub fn offset_of(&self, name: &str, path: &str) -> Result<u32, BtfError> {
        self.structure(name)?.offset_of(path)
    }

    /// A struct or union by its name.
    ///
    /// # Errors
    /// [`BtfError::NoType`].
    pub fn structure(&self, name: &str) -> Result<Structure<'_>, BtfError> {
        let ids: Vec<u32> = self.ids_of(&[STRUCT, UNION], name);
        Structure::new(self, ids).ok_or_else(|| BtfError::NoType {
            name: format!("struct {name}"),
        })
    }

    /// Value of an enum's constant.
    ///
    /// # Errors
    /// [`BtfError::NoType`] or [`BtfError::NoValue`].
    pub fn enum_value(&self, name: &str, value: &str) -> Result<i64, BtfError> {
        let ids = self.ids_of(&[ENUM, ENUM64], name);
        if ids.is_empty() {
            return Err(BtfError::NoType {
                name: format!("enum {name}"),
            });
        }
        ids.iter()
            .find_map(|&id| self.value_in(self.record(id)?, value))
            .ok_or_else(|| BtfError::NoValue {
                name: name.to_owned(),
                value: value.to_owned(),
            })
    }

    fn value_in(&self, record: Record<'_>, value: &str) -> Option<i64> {
        let wide = record.kind == ENUM64;
        let size = if wide { 12 } else { 8 };
        let item = record.items(size).find(|item| {
            word(item, 0).is_some_and(|name| self.string(name) == Some(value.as_bytes()))
        })?;
        let low = word(item, 4)?;
        if wide {
            let high = word(item, 8)?;
            Some((u64::from(high) << 32 | u64::from(low)).cast_signed())
        } else {
            Some(i64::from(low.cast_signed()))
        }
    }

    /// Number after the last type's.
    fn end_id(&self) -> u32 {
        let own = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        self.first_id.saturating_add(own)
    }

    fn end_string(&self) -> u32 {
        let own = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
        self.first_string.saturating_add(own)
    }

    /// A type of this file or of its base.
    fn record(&self, id: u32) -> Option<Record<'_>> {
        if id == 0 {
            return Some(Record::VOID);
        }
        let Some(own) = id.checked_sub(self.first_id) else {
            return self.base.as_ref()?.record(id);
        };
        let at = *self.records.get(usize::try_from(own).ok()?)?;
        Some(Record::read(&self.bytes, usize::try_from(at).ok()?)?.0)
    }

    /// A string of this file or of its base, without the zero at its end.
    fn string(&self, offset: u32) -> Option<&[u8]> {
        let Some(own) = offset.checked_sub(self.first_string) else {
            return self.base.as_ref()?.string(offset);
        };
        let strings = self.bytes.get(self.strings.clone())?;
        let rest = strings.get(usize::try_from(own).ok()?..)?;
        rest.get(..rest.iter().position(|&byte| byte == 0)?)
    }

    /// A name for people.
    fn text(&self, offset: u32) -> String {
        String::from_utf8_lossy(self.string(offset).unwrap_or_default()).into_owned()
    }

    /// Types of these kinds, which are among [`NAMED`], and of this name: the base's first.
    fn ids_of(&self, kinds: &[u8], name: &str) -> Vec<u32> {
        let mut ids = self
            .base
            .as_ref()
            .map(|base| base.ids_of(kinds, name))
            .unwrap_or_default();
        let wanted = hash(name.as_bytes());
        let first = self.names.partition_point(|&(hash, _)| hash < wanted);
        let alike = self.names.iter().skip(first);
        let alike = alike.take_while(|&&(hash, _)| hash == wanted);
        ids.extend(
            alike
                .map(|&(_, nth)| self.first_id.saturating_add(nth))
                .filter(|&id| {
                    self.record(id).is_some_and(|record| {
                        kinds.contains(&record.kind)
                            && self.string(record.name) == Some(name.as_bytes())
                    })
                }),
        );
        ids
    }
}

fn hash(name: &[u8]) -> u32 {
    BuildHasherDefault::<FxHasher>::default().hash_one(name) as u32
}
