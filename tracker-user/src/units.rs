//! Durations, bytes and counts, as people write and read them.

use std::{fmt::Display, str::FromStr, time::Duration};

/// A length of time in at most two units: `7 h 12 m`, `30 s`, `1.5 ms`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    if seconds == 0.0 {
        return "0 s".to_owned();
    }
    if seconds < 1e-3 {
        return format!("{:.0} µs", seconds * 1e6);
    }
    if seconds < 0.9995 {
        return format!("{} ms", short(seconds * 1e3));
    }
    if seconds < 60.0 && seconds.fract() != 0.0 {
        let text = short(seconds);
        return if text == "60" {
            "1 m".to_owned()
        } else {
            format!("{text} s")
        };
    }
    whole(seconds.round() as u64)
}

/// A whole number of seconds in at most two units.
#[must_use]
pub fn whole(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut parts = Vec::with_capacity(2);
    let mut rest = seconds;
    for (size, name) in UNITS {
        let number = rest / size;
        rest %= size;
        // Two neighbouring units at most: nobody needs the seconds of a day.
        if number > 0 {
            parts.push(format!("{number} {name}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        "0 s".to_owned()
    } else {
        parts.join(" ")
    }
}

/// A duration in at most two units.
#[must_use]
pub fn duration(duration: Duration) -> String {
    seconds(duration.as_secs_f64())
}

/// A number with thousands set apart: `30,000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of things: exact with thousands set apart below a million, then `1.2 M`.
#[must_use]
pub fn count(number: u64) -> String {
    match number {
        0..1_000_000 => grouped(number),
        1_000_000..1_000_000_000 => format!("{:.1} M", number as f64 / 1e6),
        1_000_000_000..1_000_000_000_000 => format!("{:.1} G", number as f64 / 1e9),
        _ => format!("{:.1} T", number as f64 / 1e12),
    }
}

/// A difference: `1,200`, `-75`; nothing of 0.
#[must_use]
pub fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    match number.unsigned_abs() {
        0 => String::new(),
        size => format!("{sign}{}", count(size)),
    }
}

/// A rate, with as many digits as it deserves: `0.04`, `3.5`, `1,200`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second <= 0.0 {
        "0".to_owned()
    } else if per_second < 0.01 {
        format!("{per_second:.1e}")
    } else if per_second < 100.0 {
        short(per_second)
    } else {
        count(per_second.round() as u64)
    }
}

/// Bytes in binary units: `512 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

/// A share as a percentage: `12 %`, `0.03 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 10.0 {
        format!("{percent:.0} %")
    } else if percent >= 1.0 {
        format!("{percent:.1} %")
    } else if percent >= 0.01 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1e} %")
    }
}

/// Two or three significant digits, without useless zeros.
fn short(number: f64) -> String {
    let text = if number < 0.1 {
        format!("{number:.3}")
    } else if number < 10.0 {
        format!("{number:.2}")
    } else if number < 100.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Reads a duration: `60s`, `10m`, `1h 30m`; a bare number is seconds.
///
/// # Errors
/// When the text is not a duration.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let text = text.trim();
    if let Ok(seconds) = u32::from_str(text) {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    humantime::parse_duration(text).map_err(|_| UnitError {
        text: text.to_owned(),
        example: "60s, 10m or 1h30m",
    })
}

/// Reads a number of bytes: `512MiB`, `2GB`; a bare number is bytes.
///
/// # Errors
/// When the text is not a size.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    bytesize::ByteSize::from_str(text.trim())
        .map(|size| size.as_u64())
        .map_err(|_| UnitError {
            text: text.to_owned(),
            example: "512MiB or 2GiB",
        })
}

/// A text that is no quantity.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a quantity that tracker knows. Write it like {example}")]
pub struct UnitError {
    text: String,
    example: &'static str,
}

/// The one or the many: `1 entry`, `2 entries`.
#[must_use]
pub fn plural(number: u64, one: impl Display, many: impl Display) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", count(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (value, text) in [
            (0.0, "0 s"),
            (0.000_25, "250 µs"),
            (0.0015, "1.5 ms"),
            (0.25, "250 ms"),
            (1.0, "1 s"),
            (2.34, "2.34 s"),
            (30.0, "30 s"),
            (59.99, "1 m"),
            (60.0, "1 m"),
            (90.4, "1 m 30 s"),
            (7440.0, "2 h 4 m"),
            (25_920.0, "7 h 12 m"),
            (432_000.0, "5 d"),
            (86_461.0, "1 d"),
        ] {
            assert_eq!(seconds(value), text, "{value}");
        }
    }

    #[test]
    fn counts_and_rates_are_short() {
        assert_eq!(count(999_999), "999,999");
        assert_eq!(count(1_200_000), "1.2 M");
        assert_eq!(grouped(30_000), "30,000");
        assert_eq!(grouped(7), "7");
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(3.5), "3.5");
        assert_eq!(rate(1234.4), "1,234");
        assert_eq!(percent(0.034), "3.4 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(plural(1, "entry", "entries"), "1 entry");
        assert_eq!(plural(2_000, "entry", "entries"), "2,000 entries");
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(bytes(512 << 20), "512.0 MiB");
        assert_eq!(parse_bytes("512MiB").unwrap(), 512 << 20);
        assert_eq!(parse_bytes("1024").unwrap(), 1024);
        assert!(
            parse_bytes("much")
                .unwrap_err()
                .to_string()
                .contains("512MiB")
        );
    }

    #[test]
    fn durations_are_read_with_or_without_a_unit() {
        assert_eq!(parse_duration("60s").unwrap(), Duration::from_secs(60));
        assert_eq!(parse_duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5400));
        assert!(parse_duration("soon").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(number: f64, whole: u64, text: String) {
            let _ = (seconds(number), rate(number), percent(number), count(whole), bytes(whole));
            let _ = (parse_duration(&text).is_ok(), parse_bytes(&text).is_ok());
        }
    }
}
