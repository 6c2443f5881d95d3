//! Ends without resets.

use super::{NetError, Netns};

/// Both ends of a topology keep still about segments that no socket waits for, until this is dropped.
#[derive(Debug)]
pub struct Hush {
    ends: [Netns; 2],
}

impl Hush {
    /// A socket with this mark may send resets.
    pub const MARK: u32 = 7;

    /// Makes the ends drop the resets that the kernel sends by itself.
    pub fn at(ends: [Netns; 2]) -> Result<Self, NetError> {
        let hush = Self { ends };
        for end in &hush.ends {
            end.nft(&format!(
                "table inet hush {{\n chain out {{\n type filter hook output priority 0\n \
                 meta mark != {} tcp flags & rst == rst drop\n }}\n}}\n",
                Self::MARK
            ))?;
        }
        Ok(hush)
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        for end in &self.ends {
            // Where the namespace is gone, so is its table.
            let _ = end.nft("delete table inet hush\n");
        }
    }
}
