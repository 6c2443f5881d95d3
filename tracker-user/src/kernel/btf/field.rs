//! Members of structs, by path.

use super::{
    Btf, BtfError, MAX_CHAIN,
    raw::{
        ARRAY, CONST, ENUM, ENUM64, FLOAT, INT, PTR, RESTRICT, Record, STRUCT, TYPE_TAG, TYPEDEF,
        UNION, VOLATILE, word,
    },
};

/// Members looked at in one search at most; only damaged input needs more.
const MAX_STEPS: u32 = 100_000;
const POINTER_BYTES: u32 = 8;

/// A struct or union that was found by its name.
#[derive(Debug)]
pub struct Structure<'a> {
    btf: &'a Btf,
    /// Several where files repeat a type, or unrelated ones share the name: a member is searched
    /// in each.
    ids: Vec<u32>,
    first: Record<'a>,
}

/// Where a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the start of the outermost struct, in bits.
    pub bit: u64,
    /// Size in bits.
    pub bits: u64,
    /// Elements, where the member is an array.
    pub elements: Option<u32>,
}

impl Field {
    /// Offset in bytes; `None` for a bit field.
    #[must_use]
    pub fn byte(&self) -> Option<u32> {
        let whole = self.bit.is_multiple_of(8) && self.bits.is_multiple_of(8);
        whole.then(|| u32::try_from(self.bit / 8).ok())?
    }

    /// Size in bytes; `None` for a bit field.
    #[must_use]
    pub fn bytes(&self) -> Option<u32> {
        self.byte()?;
        u32::try_from(self.bits / 8).ok()
    }
}

impl<'a> Structure<'a> {
    pub(super) fn new(btf: &'a Btf, ids: Vec<u32>) -> Option<Self> {
        let first = btf.record(*ids.first()?)?;
        Some(Self { btf, ids, first })
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.first.value
    }

    /// A member by its path.
    ///
    /// # Errors
    /// [`BtfError::NoMember`].
    pub fn field(&self, path: &str) -> Result<Field, BtfError> {
        self.ids
            .iter()
            .find_map(|&id| self.btf.follow(id, path))
            .ok_or_else(|| BtfError::NoMember {
                name: self.name(),
                path: path.to_owned(),
            })
    }

    /// Offset of a member, in bytes.
    ///
    /// # Errors
    /// [`BtfError::NoMember`] or [`BtfError::BitField`].
    pub fn offset_of(&self, path: &str) -> Result<u32, BtfError> {
        let bit_field = || BtfError::BitField {
            name: self.name(),
            path: path.to_owned(),
        };
        self.field(path)?.byte().ok_or_else(bit_field)
    }

    /// As in C: `struct nf_conn`.
    #[must_use]
    pub fn name(&self) -> String {
        let keyword = if self.first.kind == UNION {
            "union"
        } else {
            "struct"
        };
        format!("{keyword} {}", self.btf.text(self.first.name))
    }
}

/// A type at a place.
#[derive(Clone, Copy)]
struct Place {
    id: u32,
    bit: u64,
    /// Size, if it is a bit field.
    bits: Option<u64>,
}

impl Btf {
    fn follow(&self, id: u32, path: &str) -> Option<Field> {
        let mut steps = MAX_STEPS;
        let mut place = Place {
            id,
            bit: 0,
            bits: None,
        };
        for part in path.split('.') {
            let mut subscripts = part.split('[');
            let name = subscripts.next().filter(|name| !name.is_empty())?;
            place = self.member(place, name, &mut steps, 0)?;
            for subscript in subscripts {
                let index = subscript.strip_suffix(']')?.parse().ok()?;
                place = self.element(place, index)?;
            }
        }
        let (_, record) = self.unqualified(place.id)?;
        let elements = if record.kind == ARRAY {
            word(record.tail, 8)
        } else {
            None
        };
        let bits = match place.bits {
            Some(bits) => bits,
            None => self.bytes_of(place.id)?.checked_mul(8)?,
        };
        Some(Field {
            bit: place.bit,
            bits,
            elements,
        })
    }

    fn member(&self, outer: Place, name: &str, steps: &mut u32, depth: usize) -> Option<Place> {
        let (_, record) = self.unqualified(outer.id)?;
        if !record.is_compound() || depth > MAX_CHAIN {
            return None;
        }
        for item in record.items(12) {
            *steps = steps.checked_sub(1)?;
            let (item_name, id, at) = (word(item, 0)?, word(item, 4)?, word(item, 8)?);
            // With the flag, the upper byte of the offset is the size of a bit field, or 0.
            let (bit, bits) = if record.flag {
                (at & 0xff_ffff, at >> 24)
            } else {
                (at, 0)
            };
            let bits = (bits > 0).then_some(u64::from(bits));
            let place = Place {
                id,
                bit: outer.bit.checked_add(u64::from(bit))?,
                bits,
            };
            let member = self.string(item_name)?;
            if member == name.as_bytes() {
                return Some(place);
            }
            if member.is_empty()
                && let Some(found) = self.member(place, name, steps, depth + 1)
            {
                return Some(found);
            }
        }
        None
    }

    fn element(&self, array: Place, index: u32) -> Option<Place> {
        let (_, record) = self.unqualified(array.id)?;
        if record.kind != ARRAY || index >= word(record.tail, 8)? {
            return None;
        }
        let id = word(record.tail, 0)?;
        let offset = self
            .bytes_of(id)?
            .checked_mul(8)?
            .checked_mul(u64::from(index))?;
        Some(Place {
            id,
            bit: array.bit.checked_add(offset)?,
            bits: None,
        })
    }

    /// Size of a type.
    fn bytes_of(&self, id: u32) -> Option<u64> {
        let mut id = id;
        let mut times = 1_u64;
        for _ in 0..MAX_CHAIN {
            let (_, record) = self.unqualified(id)?;
            let size = match record.kind {
                INT | STRUCT | UNION | ENUM | ENUM64 | FLOAT => record.value,
                PTR => POINTER_BYTES,
                ARRAY => {
                    times = times.checked_mul(u64::from(word(record.tail, 8)?))?;
                    id = word(record.tail, 0)?;
                    continue;
                }
                _ => return None,
            };
            return times.checked_mul(u64::from(size));
        }
        None
    }

    /// The type behind typedefs and qualifiers.
    pub(super) fn unqualified(&self, id: u32) -> Option<(u32, Record<'_>)> {
        let mut id = id;
        for _ in 0..MAX_CHAIN {
            let record = self.record(id)?;
            match record.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = record.value,
                _ => return Some((id, record)),
            }
        }
        None
    }
}
