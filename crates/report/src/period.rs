//! The days that a report is about, in the time of the country whose form it is.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Days of one report, at most: ten years.
pub(crate) const DAYS_MAX: i32 = 3_660;

/// From one day to another; both are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

/// Why a period is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {reason}")]
pub struct PeriodError {
    /// The field that is wrong.
    pub field: &'static str,
    /// What it should be.
    pub reason: String,
}

fn wrong(field: &'static str, reason: impl Into<String>) -> PeriodError {
    PeriodError { field, reason: reason.into() }
}

impl Period {
    /// Reads two days, as in `2026-11-01`.
    ///
    /// # Errors
    /// [`PeriodError`] with the field that is wrong.
    pub fn parse(from: &str, to: &str) -> Result<Self, PeriodError> {
        let period = Self { from: day("from", from)?, to: day("to", to)? };
        let days = (period.to - period.from).get_days();
        match days {
            ..0 => Err(wrong("to", "is not before `from`")),
            0..DAYS_MAX => Ok(period),
            _ => Err(wrong("to", format!("a report is about {DAYS_MAX} days at most"))),
        }
    }

    /// Its first moment, and the first moment after it.
    ///
    /// # Errors
    /// [`PeriodError`] where a day is not one of this calendar's time.
    pub fn span(&self, zone: &TimeZone) -> Result<(Timestamp, Timestamp), PeriodError> {
        let begin = |field, day: Date| {
            let zoned = day.to_zoned(zone.clone());
            zoned.map(|zoned| zoned.timestamp()).map_err(|_| wrong(field, "is out of time"))
        };
        let after = self.to.tomorrow().map_err(|_| wrong("to", "is out of time"))?;
        Ok((begin("from", self.from)?, begin("to", after)?))
    }
}

fn day(field: &'static str, text: &str) -> Result<Date, PeriodError> {
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day = plain.then(|| text.parse().ok()).flatten();
    day.ok_or_else(|| wrong(field, "is a day, as in `2026-11-01`"))
}

/// A moment: with its own offset, or in the form's time, as in `2026-11-30T09:00`.
///
/// # Errors
/// [`PeriodError`] with the field.
pub fn moment(field: &'static str, text: &str, zone: &TimeZone) -> Result<Timestamp, PeriodError> {
    let short = Some(text).filter(|text| text.len() <= 64);
    let found = short.and_then(|text| {
        let local = || text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
        text.parse().ok().or_else(local)
    });
    found.ok_or_else(|| wrong(field, "is a moment, as in `2026-11-30T09:00` or `2026-11-30T09:00+09:00`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_in_the_forms_time() {
        let korea = TimeZone::posix("KST-9").unwrap();
        let (from, to) = Period::parse("2026-11-01", "2026-11-30").unwrap().span(&korea).unwrap();
        assert_eq!((from.to_string(), to.to_string()), ("2026-10-31T15:00:00Z".into(), "2026-11-30T15:00:00Z".into()));
    }

    #[test]
    fn what_is_no_period_is_refused_with_its_field() {
        let check = |from: &str, to: &str| Period::parse(from, to).map_err(|error| error.field).err();
        assert_eq!(check("2026-11-01", "2026-11-01"), None);
        assert_eq!(check("yesterday", "2026-11-01"), Some("from"));
        assert_eq!(check("2026-02-30", "2026-11-01"), Some("from"));
        assert_eq!(check("2026-11-01", "2026-11-01T00:00Z"), Some("to"));
        assert_eq!(check("2026-11-02", "2026-11-01"), Some("to"));
        assert_eq!(check("0001-01-01", "9999-12-31"), Some("to"));
        let last = Period::parse("9999-12-31", "9999-12-31").unwrap();
        assert_eq!(last.span(&TimeZone::UTC).map_err(|error| error.field), Err("to"));
    }

    #[test]
    fn a_moment_has_its_own_offset_or_the_forms() {
        let korea = TimeZone::posix("KST-9").unwrap();
        for text in ["2026-11-30T09:00", "2026-11-30T09:00+09:00", "2026-11-30T00:00:00Z"] {
            assert_eq!(moment("known_at", text, &korea).unwrap().to_string(), "2026-11-30T00:00:00Z");
        }
        for text in ["", "now", &"9".repeat(100)] {
            assert!(moment("known_at", text, &korea).is_err(), "{text}");
        }
    }
}
