//! How large the table is to be, beside what the machine itself has in it.

use std::fmt;

use super::NetError;
use crate::units;

/// A part of the table's size: entries at most, or buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Room for so many: what is larger stays as it is.
    AtLeast(u64),
    /// So many and no more, so that the table gets full.
    Exactly(u64),
}

/// The table as the machine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Present {
    /// Entries at most; 0 if there is no limit.
    pub max: u64,
    /// Buckets.
    pub buckets: u64,
    /// Entries of the machine's first namespace.
    pub tracked: u64,
}

/// The machine's own entries may take this part of a table that is made smaller.
const PART: u64 = 4;

/// What becomes of the table's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub(super) max: Step,
    pub(super) buckets: Step,
}

/// A number before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub before: u64,
    pub after: u64,
}

impl Present {
    /// What is to be changed. Nothing is made smaller than it is while the machine needs it.
    ///
    /// # Errors
    /// When the machine's own entries would have to make way.
    pub fn change(self, max: Size, buckets: Option<Size>) -> Result<Change, NetError> {
        let max = Step {
            before: self.max,
            after: match max {
                Size::AtLeast(_) if self.max == 0 => 0,
                Size::AtLeast(max) => max.max(self.max),
                Size::Exactly(max) => max,
            },
        };
        let is_less = max.after < self.max || self.max == 0;
        if max.is_any() && is_less && !self.leaves_free(max.after) {
            return Err(NetError::InUse {
                tracked: self.tracked,
                max: max.after,
            });
        }
        let buckets = Step {
            before: self.buckets,
            after: match buckets {
                Some(Size::Exactly(buckets)) if self.leaves_free(buckets) => buckets,
                Some(Size::Exactly(buckets) | Size::AtLeast(buckets)) => buckets.max(self.buckets),
                None => self.buckets,
            },
        };
        Ok(Change { max, buckets })
    }

    fn leaves_free(self, size: u64) -> bool {
        self.tracked <= size / PART
    }
}

impl Step {
    pub fn is_any(self) -> bool {
        self.before != self.after
    }
}

impl Change {
    /// Anything changes.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.max.is_any() || self.buckets.is_any()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = [
            ("nf_conntrack_max", self.max),
            ("nf_conntrack_buckets", self.buckets),
        ];
        f.write_str("this machine's ")?;
        for (number, (name, step)) in both.iter().filter(|(_, it)| it.is_any()).enumerate() {
            let and = if number > 0 { " and " } else { "" };
            let after = units::grouped(step.after);
            write!(f, "{and}{name} is {after} instead of ")?;
            f.write_str(&units::grouped(step.before))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Present = Present {
        max: 1 << 20,
        buckets: 1 << 18,
        tracked: 300_000,
    };

    fn change(present: Present, max: Size, buckets: Option<Size>) -> Change {
        present.change(max, buckets).unwrap()
    }

    #[test]
    fn a_table_that_has_room_stays_as_it_is() {
        let room = Some(Size::AtLeast(100_000));
        assert!(!change(GATEWAY, Size::AtLeast(100_000), room).is_any());
        let grown = change(
            GATEWAY,
            Size::AtLeast(1 << 21),
            Some(Size::Exactly(1 << 19)),
        );
        assert_eq!((grown.max.after, grown.buckets.after), (1 << 21, 1 << 19));
        // A machine without a limit has room for all.
        let endless = Present { max: 0, ..GATEWAY };
        assert!(!change(endless, Size::AtLeast(100_000), None).is_any());
        assert!(endless.change(Size::Exactly(2000), None).is_err());
    }

    #[test]
    fn nothing_makes_way_for_the_lab() {
        let refused = GATEWAY.change(Size::Exactly(2000), Some(Size::Exactly(1024)));
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("300,000") && said.contains("2,000"), "{said}");
        // As many as there are of its own may be a quarter.
        let of = |tracked| Present { tracked, ..GATEWAY };
        assert!(of(501).change(Size::Exactly(2000), None).is_err());
        let small = change(of(500), Size::Exactly(2000), Some(Size::Exactly(1024)));
        assert_eq!((small.max.after, small.buckets.after), (2000, 1 << 18));
        let small = change(of(256), Size::Exactly(2000), Some(Size::Exactly(1024)));
        assert_eq!((small.max.after, small.buckets.after), (2000, 1024));
        // More entries at most are no harm, however many there are.
        let more = change(GATEWAY, Size::Exactly(1 << 20 | 1), None);
        assert_eq!(more.max.after, 1 << 20 | 1);
    }

    #[test]
    fn only_what_changes_is_said() {
        let small = Present {
            tracked: 0,
            ..GATEWAY
        };
        assert_eq!(
            change(small, Size::Exactly(2000), Some(Size::Exactly(1024))).to_string(),
            "this machine's nf_conntrack_max is 2,000 instead of 1,048,576 and \
             nf_conntrack_buckets is 1,024 instead of 262,144"
        );
        assert_eq!(
            change(small, Size::AtLeast(0), Some(Size::Exactly(1024))).to_string(),
            "this machine's nf_conntrack_buckets is 1,024 instead of 262,144"
        );
    }
}
