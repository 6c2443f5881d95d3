//! What the router's kernel counts of a flood.

use anyhow::{Context, Result};
use tracker_user::lab::net::Namespace;

/// Sees each packet that has an entry which is not in the table yet, after all rules and just before conntrack puts it
/// there.
const RULES: &str = "table inet count {
    counter begun {}
    chain post {
        type filter hook postrouting priority 1000
        ct status & confirmed == 0 counter name begun
    }
}";

/// Begins to count the packets that begin an entry.
pub fn begin(router: &Namespace) -> Result<()> {
    router.nft(RULES)?;
    Ok(())
}

/// How many packets began an entry, and were to come into the table.
pub fn begun(router: &Namespace) -> Result<u64> {
    let said = router.nft("list counter inet count begun\n")?;
    let mut words = said.split_whitespace();
    words.find(|word| *word == "packets");
    let count = words.next().and_then(|count| count.parse().ok());
    count.with_context(|| format!("no number of packets in: {said}"))
}
