//! Recordings as files: whole, killed, damaged, and a day long.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use tracker_common::{Proto, State, Timer, histogram::index, layout::HistogramId};

use super::{synthetic::Synthetic, *};
use crate::source::{Source as _, Statistic};

/// A minute of traffic.
fn traffic(it: &mut Synthetic) {
    let host = it.host();
    host.insert(Proto::Tcp, 100);
    host.insert(Proto::Udp, 40);
    host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 90, 121.0);
    host.max_gap(Timer::TcpEstablished, 100, 12.0);
}

fn write(path: &Path, intervals: usize) -> Synthetic {
    let mut source = Synthetic::new();
    let mut writer = Writer::create(path, source.description(), Existing::Refuse).unwrap();
    for _ in 0..intervals {
        traffic(&mut source);
        writer.write(&source.sample().unwrap()).unwrap();
    }
    writer.finish(&source.finish().unwrap()).unwrap();
    source
}

#[test]
fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.trk");
    let mut source = write(&path, 5);
    let read = Recording::open(&path).unwrap();
    assert!(read.complete);
    assert_eq!(read.description, source.description);
    assert_eq!(read.duration, Duration::from_secs(6));
    assert_eq!(read.intervals.len(), 6);
    let [host] = read.namespaces.as_slice() else {
        panic!("one namespace")
    };
    assert_eq!(host.counters, source.host().counters);
    assert_eq!(host.sysctls, source.host().sysctls);
    assert!(host.changed.is_empty());
    assert_eq!(host.live, source.host().live);
    for (id, shown) in &source.host().histograms {
        assert_eq!(host.histograms[id], Distribution::of(shown), "{id:?}");
    }
    assert_eq!(host.samples.iter().map(|it| it.inserted).sum::<u64>(), 700);
    assert_eq!(host.samples[4].count, Some((250, 250.0, 250)));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "one file, and nothing beside it"
    );
}

#[test]
fn a_sysctl_that_changes_is_noticed() {
    let mut source = Synthetic::new();
    let first = source.sample().unwrap();
    source.host().set(Timer::Udp, 60);
    let second = source.sample().unwrap();
    let read = source.recorded(&[first, second]);
    assert_eq!(read.namespaces[0].sysctls["nf_conntrack_udp_timeout"], 60);
    assert!(
        read.namespaces[0]
            .changed
            .contains("nf_conntrack_udp_timeout")
    );
    assert_eq!(read.namespaces[0].changed.len(), 1);
}

#[test]
fn longest_gaps_may_move_between_buckets() {
    let mut source = Synthetic::new();
    source.host().max_gap(Timer::Udp, 3, 1.0);
    let first = source.sample().unwrap();
    let id = HistogramId::MaxGap(Timer::Udp);
    source
        .host()
        .histogram(id)
        .raise(Some(index(1_000_000)), index(9_000_000), 9_000_000);
    let second = source.sample().unwrap();
    let read = source.recorded(&[first, second]);
    let it = &read.namespaces[0].histograms[&id];
    assert_eq!(
        (it.count(), it.exceeding(2_000_000), it.max_us),
        (3, 1, 9_000_000)
    );
}

#[test]
fn an_output_that_is_there_is_kept_unless_it_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.trk");
    fs::write(&path, "precious").unwrap();
    let description = Synthetic::new().description;
    let error = Writer::check(&path, Existing::Refuse).unwrap_err();
    assert!(error.to_string().contains("--force"), "{error}");
    assert!(Writer::create(&path, &description, Existing::Refuse).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    drop(Writer::create(&path, &description, Existing::Replace).unwrap());
    let read = Recording::open(&path).unwrap();
    assert!(!read.complete);
    assert_eq!(read.duration, Duration::ZERO);
}

#[test]
fn an_output_that_cannot_be_written_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        folder.path().join("no/such/folder/a.trk"),
        "/proc/a.trk".into(),
        "/".into(),
    ] {
        let error = Writer::check(&path, Existing::Replace)
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot be written"), "{error}");
    }
    let free = folder.path().join("a.trk");
    Writer::check(&free, Existing::Refuse).unwrap();
    assert!(!free.exists());
}

#[test]
fn each_kind_of_bad_file_has_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.trk");
    write(&path, 20);
    let whole = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Recording::open(&path).unwrap_err()
    };
    assert!(matches!(
        open(b"hello, world"),
        RecordingError::Foreign { .. }
    ));
    assert!(matches!(
        open(&[b'x'; 4096]),
        RecordingError::Foreign { .. }
    ));
    assert!(matches!(open(b""), RecordingError::Truncated { .. }));
    assert!(matches!(
        open(&whole[..50]),
        RecordingError::Truncated { .. }
    ));
    assert!(matches!(
        open(&whole[..whole.len() - 5000]),
        RecordingError::Truncated { .. }
    ));
    let mut newer = whole.clone();
    newer[63] = 4;
    assert!(matches!(
        open(&newer),
        RecordingError::Newer {
            found: 4,
            known: 3,
            ..
        }
    ));
    let mut other = whole.clone();
    other[68] = 0;
    assert!(matches!(open(&other), RecordingError::Foreign { .. }));
    let mut corrupt = whole;
    corrupt[4096..].fill(0xa5);
    assert!(matches!(open(&corrupt), RecordingError::Corrupt { .. }));
    let missing = Recording::open(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, RecordingError::Unreadable { .. }));
    assert!(matches!(
        Recording::open(folder.path()),
        Err(RecordingError::Unreadable { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn a_damaged_recording_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static WHOLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.trk");
        let whole = WHOLE.get_or_init(|| {
            write(&path, 3);
            fs::read(&path).unwrap()
        });
        let mut bytes = whole.clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        let _ = Recording::open(&path);
    }
}

/// Writes until it is killed. Runs only as the child of the test below.
#[test]
fn endless_writer() {
    let Ok(path) = std::env::var("TRACKER_TEST_ENDLESS_WRITER") else {
        return;
    };
    let mut source = Synthetic::new();
    let path = Path::new(&path);
    let mut writer = Writer::create(path, source.description(), Existing::Refuse).unwrap();
    loop {
        traffic(&mut source);
        writer.write(&source.sample().unwrap()).unwrap();
    }
}

#[test]
fn a_killed_watch_leaves_every_interval_but_the_last() {
    for round in 1..=6 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.trk");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "recording::tests::endless_writer"])
            .env("TRACKER_TEST_ENDLESS_WRITER", &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let wanted = Duration::from_secs(round * 7);
        while !Recording::open(&path).is_ok_and(|it| it.duration >= wanted) {
            assert!(Instant::now() < deadline, "the child writes nothing");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let read = Recording::open(&path).unwrap();
        assert!(!read.complete);
        assert!(read.duration >= wanted);
        let intervals = read.intervals.len() as u64;
        assert_eq!(read.duration, Duration::from_secs(intervals));
        assert_eq!(read.namespaces[0].counters.inserted(), 140 * intervals);
        let summed: u64 = read.namespaces[0]
            .samples
            .iter()
            .map(|it| it.inserted)
            .sum();
        assert_eq!(summed, 140 * intervals);
    }
}

/// A busy machine: `histograms` of them change in each interval, each over some 60 buckets.
fn busy(source: &mut Synthetic, random: &mut u64, seconds: u64) {
    let mut next = |below: u64| {
        // An xorshift: the same traffic in every run.
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % below
    };
    let states = State::ALL
        .iter()
        .take(12)
        .map(|&state| HistogramId::Residency(state));
    let gaps = Timer::ALL
        .iter()
        .take(16)
        .map(|&timer| HistogramId::Gap(timer));
    for (place, id) in states
        .chain(gaps)
        .chain([HistogramId::Lifetime, HistogramId::Overdue])
        .enumerate()
    {
        let histogram = source.host().histogram(id);
        // Values spread over a few octaves, more of them in a longer interval.
        let base = 1_000_u64 << (place % 16);
        for _ in 0..100 * seconds.min(3) {
            histogram.add(base + next(base * 4));
        }
        if seconds > 10 {
            histogram.add(base * 8);
        }
    }
    traffic(source);
}

/// Size of the recording of a day whose intervals have these lengths, in seconds.
fn size_of_a_day(intervals: impl Iterator<Item = u64>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("day.trk");
    let mut source = Synthetic::new();
    let mut random = 0x9e37_79b9_7f4a_7c15;
    let mut writer = Writer::create(&path, source.description(), Existing::Refuse).unwrap();
    for seconds in intervals {
        busy(&mut source, &mut random, seconds);
        source.step = Duration::from_secs(seconds);
        writer.write(&source.sample().unwrap()).unwrap();
    }
    source.step = Duration::ZERO;
    writer.finish(&source.finish().unwrap()).unwrap();
    let read = Recording::open(&path).unwrap();
    assert_eq!(read.duration, Duration::from_secs(86_400));
    assert!(
        read.intervals.len() < 2_700,
        "{} intervals",
        read.intervals.len()
    );
    assert_eq!(read.namespaces[0].counters, source.host().counters);
    let size = fs::metadata(&path).unwrap().len();
    println!("{size} bytes");
    size
}

#[test]
fn a_busy_day_stays_under_50_mb() {
    // What the day's first hours are joined into is written as such, which is much faster.
    let coarse = std::iter::repeat_n(60, 22 * 60)
        .chain(std::iter::repeat_n(10, 11 * 60))
        .chain(std::iter::repeat_n(1, 600));
    let size = size_of_a_day(coarse);
    assert!(size < 50_000_000, "{size} bytes");
}

#[test]
#[ignore = "takes minutes: every second of a day"]
fn a_busy_day_second_by_second_stays_under_50_mb() {
    let size = size_of_a_day(std::iter::repeat_n(1, 86_400));
    assert!(size < 50_000_000, "{size} bytes");
}

#[test]
fn joined_intervals_keep_sums_and_peaks() {
    let mut source = Synthetic::new();
    let mut samples = Vec::new();
    for second in 0..8_000_u64 {
        source.host().insert(Proto::Udp, 2);
        source
            .host()
            .statistics
            .insert(Statistic::EarlyDrop, second / 2);
        if second % 100 == 0 {
            source.host().max_gap(Timer::Udp, 1, 3.0);
        }
        // One short peak.
        source
            .host()
            .count(if second == 1_234 { 50_000 } else { 100 });
        samples.push(source.sample().unwrap());
    }
    let read = source.recorded(&samples);
    // 800 s in minutes, 6,600 s in tens of seconds, 600 s as they were.
    assert!(
        read.intervals.len() < 14 + 661 + 611,
        "{}",
        read.intervals.len()
    );
    assert!(
        read.intervals
            .windows(2)
            .all(|pair| pair[0].ended == pair[1].started)
    );
    let host = &read.namespaces[0];
    assert_eq!(
        host.samples.iter().map(|it| it.inserted).sum::<u64>(),
        16_000
    );
    let dropped = host
        .statistics_course
        .values()
        .map(|it| it[&Statistic::EarlyDrop]);
    assert_eq!(dropped.sum::<u64>(), 3_999);
    assert_eq!(
        host.samples
            .iter()
            .filter_map(|it| it.count)
            .map(|it| it.2)
            .max(),
        Some(50_000)
    );
}
