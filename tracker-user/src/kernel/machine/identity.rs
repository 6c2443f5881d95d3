//! Which machine this is, whatever its name.

use sha2::{Digest, Sha256};

use crate::kernel::Root;

/// Hashed along, so that the result cannot be compared with what another program makes of the same
/// identity: machine-id(5) asks for that.
const PURPOSE: &str = "tracker: machine";
/// Where an identity may be: the installed system's own, else that of the board or virtual machine,
/// which only root may read.
const FILES: [&str; 2] = ["etc/machine-id", "sys/class/dmi/id/product_uuid"];
/// Bytes of the hash that are kept.
const KEPT: usize = 16;

/// The machine's identity, hashed, as hexadecimal digits; `None` where it has none. It survives
/// reboots and new host names, not a new installation.
#[must_use]
pub fn identity(root: &Root) -> Option<String> {
    let own = FILES
        .iter()
        .find_map(|file| usable(&root.text(file).ok()?))?;
    let hash = Sha256::new()
        .chain_update(PURPOSE)
        .chain_update(own)
        .finalize();
    let kept = hash.iter().take(KEPT);
    Some(kept.map(|byte| format!("{byte:02x}")).collect())
}

/// Digits that tell machines apart: not `uninitialized`, nor zeros alone.
fn usable(text: &str) -> Option<String> {
    let digits = text.trim().replace('-', "").to_ascii_lowercase();
    let is_number = digits.len() == 32 && digits.bytes().all(|it| it.is_ascii_hexdigit());
    let tells = digits.bytes().any(|it| it != b'0') && digits.bytes().any(|it| it != b'f');
    (is_number && tells).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn of(files: &[(&str, &str)]) -> Option<String> {
        let (_folder, root) = Root::with(files);
        identity(&root)
    }

    #[test]
    fn the_system_is_known_again_and_not_given_away() {
        let [system, board] = FILES;
        let own = of(&[(system, &format!("{ID}\n"))]).unwrap();
        assert_eq!(own.len(), 2 * KEPT);
        assert!(!own.contains(&ID[..8]));
        assert_eq!(of(&[(system, ID), (board, "x")]), Some(own.clone()));
        let other = ID.replace('0', "1");
        assert_ne!(of(&[(system, &other)]), Some(own));
    }

    #[test]
    fn what_tells_no_machines_apart_is_none() {
        let [system, board] = FILES;
        let uuid = "01234567-89AB-CDEF-0123-456789ABCDEF\n";
        let without = of(&[(system, "uninitialized\n"), (board, uuid)]);
        assert_eq!(without, of(&[(system, ID)]));
        assert_eq!(of(&[(board, "00000000-0000-0000-0000-000000000000")]), None);
        assert_eq!(of(&[]), None);
    }
}
