use std::cell::Cell;

use tracker_common::layout::ABSENT;

use super::OffsetsError;
use crate::kernel::btf::{BtfError, Structure};

/// Looks for members of one struct, and keeps in mind how far they reach.
pub(super) struct Find<'a> {
    structure: Structure<'a>,
    end: Cell<u32>,
}

/// A member: offset and size in bytes.
pub(super) struct Found {
    pub offset: u32,
    pub size: u32,
}

impl<'a> Find<'a> {
    pub fn new(structure: Structure<'a>) -> Self {
        Self {
            structure,
            end: Cell::new(0),
        }
    }

    /// Size of the struct.
    pub fn size(&self) -> u32 {
        self.structure.size()
    }

    /// End of the farthest member that was found.
    pub fn end(&self) -> u32 {
        self.end.get()
    }

    /// A member of one of these sizes; the first is the usual one.
    pub fn any(&self, path: &str, sizes: &[u32]) -> Result<Found, OffsetsError> {
        let name = || self.structure.name();
        let field = self.structure.field(path)?;
        let (Some(offset), Some(size)) = (field.byte(), field.bytes()) else {
            return Err(BtfError::BitField {
                name: name(),
                path: path.to_owned(),
            }
            .into());
        };
        if !sizes.contains(&size) {
            return Err(OffsetsError::Size {
                member: format!("{} of {}", path, name()),
                expected: sizes.first().copied().unwrap_or_default(),
                found: size,
            });
        }
        self.end
            .set(self.end.get().max(offset.saturating_add(size)));
        Ok(Found { offset, size })
    }

    /// Offset of a member of this size.
    pub fn sized(&self, path: &str, size: u32) -> Result<u32, OffsetsError> {
        Ok(self.any(path, &[size])?.offset)
    }

    /// The same, or [`ABSENT`] when there is no such member.
    pub fn optional(&self, path: &str, size: u32) -> Result<u32, OffsetsError> {
        match self.sized(path, size) {
            Err(OffsetsError::Missing(BtfError::NoMember { .. })) => Ok(ABSENT),
            other => other,
        }
    }
}
