//! What waits for a listener to conntrack's events, and what it has missed, as the kernel shows it.

use crate::lab::net::{Namespace, NetError};

/// Protocol number of netfilter's sockets.
const FAMILY: &str = "12";

/// The listener's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Bytes that wait.
    pub waiting: u64,
    /// Messages for which there was no room.
    pub dropped: u64,
}

impl Queue {
    /// That of the process that listens in a namespace; none if none does.
    ///
    /// # Errors
    /// When the namespace cannot be read.
    pub fn of(namespace: &Namespace) -> Result<Option<Self>, NetError> {
        Ok(Self::parse(&namespace.read("net/netlink")?))
    }

    fn parse(text: &str) -> Option<Self> {
        // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
        text.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let listens =
                words.get(1) == Some(&FAMILY) && words.get(3)?.chars().any(|digit| digit != '0');
            let number = |place: usize| words.get(place)?.parse().ok();
            listens.then_some(Self {
                waiting: number(4)?,
                dropped: number(8)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000000 0   0          00000000 0        0        0     2        0        6
0000000000000000 12  0          00000000 0        0        0     2        0        11
0000000000000000 12  631        00000005 4608     0        0     2        17       40
";

    #[test]
    fn the_one_that_listens_is_found() {
        let queue = Queue {
            waiting: 4608,
            dropped: 17,
        };
        assert_eq!(Queue::parse(TEXT), Some(queue));
        let idle: String = TEXT.lines().take(3).map(|it| format!("{it}\n")).collect();
        assert_eq!(Queue::parse(&idle), None);
    }
}
