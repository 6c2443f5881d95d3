//! What was last written of a namespace, to write only what is new.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use rusqlite::{Transaction, params};
use tracker_common::{
    Proto,
    layout::{Counters, Histogram, HistogramId, PortKey, PortUse},
};

use super::{Distribution, PortRecord, blob, counters, schema, statistics, strata};
use crate::source::{NamespaceSample, Statistics};

/// What was last written of a namespace.
pub struct Known {
    id: i64,
    name: String,
    live: u64,
    counters: Box<Counters>,
    histograms: HashMap<HistogramId, Series>,
    sysctls: BTreeMap<String, u64>,
    statistics: Statistics,
    ports: HashMap<PortKey, PortUse>,
    strata: strata::Known,
}

struct Series {
    id: i64,
    total: Distribution,
}

impl Known {
    /// Makes the namespace's row.
    pub fn new(tx: &Transaction<'_>, sample: &NamespaceSample) -> rusqlite::Result<Self> {
        tx.execute(
            "INSERT INTO namespace (inum, name, live_at_start, live, counters)
             VALUES (?1, ?2, ?3, ?4, x'')",
            params![
                sample.inum,
                sample.name,
                sample.live_at_start.cast_signed(),
                sample.live.cast_signed()
            ],
        )?;
        Ok(Self {
            id: tx.last_insert_rowid(),
            name: sample.name.clone(),
            live: sample.live,
            counters: Box::new(Counters::ZERO),
            histograms: HashMap::new(),
            sysctls: BTreeMap::new(),
            statistics: Statistics::new(),
            ports: HashMap::new(),
            strata: strata::Known::new(),
        })
    }

    /// Writes what a sample adds.
    pub fn interval(
        &mut self,
        tx: &Transaction<'_>,
        interval: i64,
        sample: &NamespaceSample,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        self.totals(tx, sample)?;
        self.sample(tx, interval, sample)?;
        for (id, histogram) in &sample.histograms {
            self.histogram(tx, interval, *id, histogram)?;
        }
        self.sysctls(tx, &sample.sysctls, now_us)?;
        let statistics = &sample.statistics;
        statistics::write(tx, (interval, self.id), &mut self.statistics, statistics)?;
        if let Some(ports) = &sample.ports {
            self.ports(tx, ports)?;
        }
        if let Some(shown) = &sample.strata {
            strata::write(tx, self.id, &mut self.strata, shown)?;
        }
        Ok(())
    }

    fn totals(&mut self, tx: &Transaction<'_>, sample: &NamespaceSample) -> rusqlite::Result<()> {
        if self.live == sample.live
            && self.name == sample.name
            && *self.counters == *sample.counters
        {
            return Ok(());
        }
        tx.prepare_cached(
            "UPDATE namespace SET name = ?2, live = ?3, counters = ?4 WHERE id = ?1",
        )?
        .execute(params![
            self.id,
            sample.name,
            sample.live.cast_signed(),
            counters::encode(&sample.counters)
        ])?;
        self.name.clone_from(&sample.name);
        self.live = sample.live;
        Ok(())
    }

    fn sample(
        &mut self,
        tx: &Transaction<'_>,
        interval: i64,
        sample: &NamespaceSample,
    ) -> rusqlite::Result<()> {
        let difference = counters::difference(&sample.counters, &self.counters);
        self.counters.clone_from(&sample.counters);
        let count = sample.table.map(|table| table.count.cast_signed());
        tx.prepare_cached(
            "INSERT INTO sample (interval, namespace, counters, samples, count_sum, count_min,
                                 count_max, max, buckets)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)",
        )?
        .execute(params![
            interval,
            self.id,
            counters::encode(&difference),
            i64::from(count.is_some()),
            count.unwrap_or(0),
            count,
            sample.table.map(|table| table.max.cast_signed()),
            sample.table.map(|table| table.buckets.cast_signed()),
        ])?;
        Ok(())
    }

    fn histogram(
        &mut self,
        tx: &Transaction<'_>,
        interval: i64,
        id: HistogramId,
        shown: &Histogram,
    ) -> rusqlite::Result<()> {
        let series = match self.histograms.entry(id) {
            Entry::Occupied(series) => series.into_mut(),
            Entry::Vacant(new) => new.insert(Series {
                id: new_series(tx, self.id, id)?,
                total: Distribution::default(),
            }),
        };
        if matches!(id, HistogramId::MaxGap(_)) {
            let now = Distribution::of(shown);
            if now == series.total {
                return Ok(());
            }
            series.total = now;
        } else {
            let added = series.total.advance(shown);
            if added.is_empty() {
                return Ok(());
            }
            tx.prepare_cached(
                "INSERT INTO histogram (interval, series, difference, sum_us, max_us)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                interval,
                series.id,
                blob::encode(&added),
                added.sum_us.cast_signed(),
                added.max_us.cast_signed()
            ])?;
        }
        tx.prepare_cached("UPDATE series SET total = ?2, sum_us = ?3, max_us = ?4 WHERE id = ?1")?
            .execute(params![
                series.id,
                blob::encode(&series.total),
                series.total.sum_us.cast_signed(),
                series.total.max_us.cast_signed()
            ])?;
        Ok(())
    }

    fn sysctls(
        &mut self,
        tx: &Transaction<'_>,
        values: &BTreeMap<String, u64>,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        for (name, &value) in values {
            if self.sysctls.get(name) != Some(&value) {
                tx.prepare_cached(
                    "REPLACE INTO sysctl (namespace, name, at_us, value) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![self.id, name, now_us, value.cast_signed()])?;
                self.sysctls.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    fn ports(
        &mut self,
        tx: &Transaction<'_>,
        ports: &[(PortKey, PortUse)],
    ) -> rusqlite::Result<()> {
        let mut replace = tx.prepare_cached(
            "REPLACE INTO port (namespace, proto, port, inserts, deaths, entry_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (key, shown) in ports {
            if self.ports.get(key) == Some(shown) {
                continue;
            }
            self.ports.insert(*key, *shown);
            let proto = Proto::from_id(key.proto as usize);
            replace.execute(params![
                self.id,
                proto.map_or(PortRecord::OTHERS, Proto::name),
                key.port,
                shown.inserts.cast_signed(),
                shown.deaths.cast_signed(),
                shown.entry_us.cast_signed()
            ])?;
        }
        Ok(())
    }
}

fn new_series(tx: &Transaction<'_>, namespace: i64, id: HistogramId) -> rusqlite::Result<i64> {
    let (kind, name) = schema::series_name(id);
    tx.execute(
        "INSERT INTO series (namespace, kind, name, total, sum_us, max_us)
         VALUES (?1, ?2, ?3, x'', 0, 0)",
        params![namespace, kind, name],
    )?;
    Ok(tx.last_insert_rowid())
}
