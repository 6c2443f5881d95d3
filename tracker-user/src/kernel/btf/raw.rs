//! The format itself: header, type records, strings
//! (<https://docs.kernel.org/bpf/btf.html>).

use std::ops::Range;

use super::BtfError;

pub(super) const MAGIC: u16 = 0xEB9F;
/// Header without the parts that later versions append.
pub(super) const HEADER: usize = 24;
/// Fixed part of a type record.
pub(super) const RECORD: usize = 12;

pub(super) const INT: u8 = 1;
pub(super) const PTR: u8 = 2;
pub(super) const ARRAY: u8 = 3;
pub(super) const STRUCT: u8 = 4;
pub(super) const UNION: u8 = 5;
pub(super) const ENUM: u8 = 6;
pub(super) const FWD: u8 = 7;
pub(super) const TYPEDEF: u8 = 8;
pub(super) const VOLATILE: u8 = 9;
pub(super) const CONST: u8 = 10;
pub(super) const RESTRICT: u8 = 11;
pub(super) const FUNC: u8 = 12;
pub(super) const FUNC_PROTO: u8 = 13;
pub(super) const VAR: u8 = 14;
pub(super) const DATASEC: u8 = 15;
pub(super) const FLOAT: u8 = 16;
pub(super) const DECL_TAG: u8 = 17;
pub(super) const TYPE_TAG: u8 = 18;
pub(super) const ENUM64: u8 = 19;

/// Little endian number at a byte of `bytes`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// One type record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// Offset of the name among the strings.
    pub name: u32,
    /// One of the constants above; 0 is void.
    pub kind: u8,
    /// `kind_flag`: in a struct, member offsets also hold the size of bit fields.
    pub flag: bool,
    /// Size in bytes, or the id of the type that this one refers to.
    pub value: u32,
    /// What follows the fixed part.
    pub tail: &'a [u8],
}

impl<'a> Record<'a> {
    /// Type 0.
    pub const VOID: Self = Record {
        name: 0,
        kind: 0,
        flag: false,
        value: 0,
        tail: &[],
    };

    /// The record at a byte, and its length; `None` when it does not fit or is of unknown kind.
    pub fn read(types: &'a [u8], at: usize) -> Option<(Self, usize)> {
        let info = word(types, at.checked_add(4)?)?;
        let kind = u8::try_from(info >> 24 & 0x7f).ok()?;
        let count = info & 0xff_ffff;
        let fixed_end = at.checked_add(RECORD)?;
        let length = tail_length(kind, count)?;
        let tail = types.get(fixed_end..fixed_end.checked_add(length)?)?;
        let record = Self {
            name: word(types, at)?,
            kind,
            flag: info >> 31 == 1,
            value: word(types, at.checked_add(8)?)?,
            tail,
        };
        Some((record, RECORD + length))
    }

    /// Items of a struct, union, enum or function prototype, `size` bytes each.
    pub fn items(&self, size: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.tail.chunks_exact(size)
    }

    /// Struct or union.
    pub fn is_compound(&self) -> bool {
        matches!(self.kind, STRUCT | UNION)
    }
}

/// Bytes that follow the fixed part of a record.
fn tail_length(kind: u8, count: u32) -> Option<usize> {
    let count = usize::try_from(count).ok()?;
    match kind {
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => Some(0),
        INT | VAR | DECL_TAG => Some(4),
        ARRAY => Some(12),
        STRUCT | UNION | DATASEC | ENUM64 => count.checked_mul(12),
        ENUM | FUNC_PROTO => count.checked_mul(8),
        _ => None,
    }
}

/// Where types and strings are in the file.
pub(super) struct Sections {
    pub types: Range<usize>,
    pub strings: Range<usize>,
}

impl Sections {
    pub fn read(bytes: &[u8]) -> Result<Self, BtfError> {
        let damaged = |what, at| BtfError::Damaged { what, at };
        if bytes.get(..2) != Some(&MAGIC.to_le_bytes()) {
            return Err(damaged(
                "it does not begin with the mark of little endian BTF",
                0,
            ));
        }
        if bytes.get(2) != Some(&1) {
            return Err(damaged("its version is not 1", 2));
        }
        let header = word(bytes, 4).and_then(|it| usize::try_from(it).ok());
        let Some(header) = header.filter(|&it| it >= HEADER) else {
            return Err(damaged("its header is cut off", 4));
        };
        let section = |at: usize| {
            let offset = usize::try_from(word(bytes, at)?).ok()?;
            let length = usize::try_from(word(bytes, at + 4)?).ok()?;
            let start = header.checked_add(offset)?;
            let end = start.checked_add(length)?;
            (end <= bytes.len()).then_some(start..end)
        };
        Ok(Self {
            types: section(8).ok_or_else(|| damaged("its types are cut off", 8))?,
            strings: section(16).ok_or_else(|| damaged("its strings are cut off", 16))?,
        })
    }
}
