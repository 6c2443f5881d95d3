//! The namespaces of a watch, and their tables.

use std::{collections::BTreeMap, io};

use tracker_common::layout::MAX_NAMESPACES;

use crate::{
    kernel::{
        Root,
        netns::{self, Known, Netns, NetnsError},
        statistics::StatisticsFile,
        sysctl::{self, TableFiles},
    },
    source::{Statistics, Table},
};

/// Slots kept free for namespaces that come during a watch of all.
const SPARE: usize = 8;

/// A watched namespace, as user space sees it. It is not held open: that would keep it alive.
pub struct Member {
    /// Inode number.
    pub inum: u32,
    /// Name for people.
    pub name: String,
    /// Entries in its table when the watch began.
    pub live_at_start: u64,
    /// Its settings, where they have been read since the last sample.
    pub fresh: Option<BTreeMap<String, u64>>,
    table: Option<TableFiles>,
    statistics: Option<StatisticsFile>,
    epoch: u32,
    size: (u64, u64),
}

impl Member {
    fn open(root: &Root, netns: &Netns) -> io::Result<Self> {
        let (table, settings, statistics) = netns.run(|| {
            (
                TableFiles::open(root),
                sysctl::settings(root),
                StatisticsFile::open(root),
            )
        })?;
        Ok(Self {
            inum: netns.inum(),
            name: netns.name().to_owned(),
            live_at_start: 0,
            fresh: Some(settings?),
            table: Some(table?),
            statistics: statistics
                .inspect_err(|error| log::debug!("no counts of the kernel's own: {error}"))
                .ok(),
            epoch: 0,
            size: (0, 0),
        })
    }

    /// One that is gone by the time it is looked for.
    fn gone(inum: u32) -> Self {
        Self {
            inum,
            name: netns::unnamed(inum),
            live_at_start: 0,
            fresh: None,
            table: None,
            statistics: None,
            epoch: 0,
            size: (0, 0),
        }
    }

    /// Its table now; `None` once it is gone.
    pub fn table(&self) -> Option<Table> {
        self.table.as_ref().and_then(|table| table.read().ok())
    }

    /// The watch begins now, with these entries in the table.
    pub fn begin(&mut self, live: u64) {
        self.live_at_start = live;
        if let Some(statistics) = &mut self.statistics {
            statistics.restart();
        }
    }

    /// What the kernel has counted since then.
    pub fn statistics(&mut self) -> Statistics {
        self.statistics
            .as_mut()
            .map_or_else(Statistics::new, |file| file.total().clone())
    }

    /// Takes in what a sample shows of it: settings are read anew when the programs have noticed
    /// another epoch of its timers, or when the table's size changed.
    pub fn observe(&mut self, root: &Root, epoch: u32, table: Option<Table>) {
        let size = table.map_or(self.size, |table| (table.max, table.buckets));
        let first = self.size == (0, 0);
        if (epoch == self.epoch && size == self.size) || table.is_none() {
            return;
        }
        self.epoch = epoch;
        self.size = size;
        if !first
            && let Some(settings) = find(root, self.inum).and_then(|netns| settings(root, &netns))
        {
            self.fresh = Some(settings);
        }
    }
}

fn settings(root: &Root, netns: &Netns) -> Option<BTreeMap<String, u64>> {
    netns.run(|| sysctl::settings(root)).ok()?.ok()
}

fn find(root: &Root, inum: u32) -> Option<Netns> {
    if let Ok(current) = Netns::current(root)
        && current.inum() == inum
    {
        return Some(current);
    }
    let known = netns::list(root)
        .into_iter()
        .find(|known| known.inum == inum)?;
    Netns::open_known(root, &known).ok()
}

/// What is watched.
pub struct Scope {
    /// In words: `all`, or a namespace's name.
    pub label: String,
    /// Namespaces that come later are watched too.
    pub all: bool,
    /// Watched namespaces by slot.
    pub members: Vec<Member>,
    /// Slots in all.
    pub slots: u32,
}

impl Scope {
    /// Looks up what was asked for: `all`, a name, a path, or, if nothing, the current one.
    ///
    /// Of all namespaces those that have entries get their slots now; another gets one when it
    /// inserts its first.
    pub fn resolve(root: &Root, wanted: Option<&str>) -> Result<Self, NetnsError> {
        let all = wanted == Some("all");
        let members: Vec<Member> = if all {
            let room = MAX_NAMESPACES as usize - SPARE;
            netns::list(root)
                .iter()
                .filter_map(|known| filled(root, known))
                .take(room)
                .collect()
        } else {
            let netns = match wanted {
                Some(name) => Netns::open(root, name)?,
                None => Netns::current(root)?,
            };
            vec![Member::open(root, &netns).unwrap_or_else(|_| Member::gone(netns.inum()))]
        };
        let label = match members.first() {
            Some(member) if !all => member.name.clone(),
            _ => "all".to_owned(),
        };
        let slots = if all { members.len() + SPARE } else { 1 };
        let slots = u32::try_from(slots).unwrap_or(MAX_NAMESPACES);
        Ok(Self {
            label,
            all,
            members,
            slots,
        })
    }

    /// Inode numbers of the namespaces whose slots are settled.
    pub fn given(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.inum).collect()
    }

    /// Entries in all tables now, and the largest maximum.
    pub fn fill(&self) -> Table {
        self.members
            .iter()
            .filter_map(Member::table)
            .fold(Table::default(), |sum, table| Table {
                count: sum.count + table.count,
                max: sum.max.max(table.max),
                buckets: sum.buckets.max(table.buckets),
            })
    }

    /// The namespace that the programs have met in the next slot.
    pub fn met(&mut self, root: &Root, inum: u32) {
        let member = find(root, inum)
            .and_then(|netns| Member::open(root, &netns).ok())
            .unwrap_or_else(|| Member::gone(inum));
        self.members.push(member);
    }
}

/// A namespace that has entries.
fn filled(root: &Root, known: &Known) -> Option<Member> {
    let netns = Netns::open_known(root, known).ok()?;
    let member = Member::open(root, &netns).ok()?;
    (member.table()?.count > 0).then_some(member)
}
