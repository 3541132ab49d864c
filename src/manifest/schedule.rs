//! `schedule`: five fields of cron, checked. What is accepted here is what every scheduler understands that a world may
//! hand it to, so it is less than some cron libraries read.

/// What is wrong with a schedule.
pub(super) fn mistake(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!(
            "a schedule has five fields (minute hour day month weekday), as in \"0 3 * * *\"; this has {}",
            fields.len()
        ));
    }
    let wrong = FIELDS.iter().zip(fields).find(|(field, text)| !text.split(',').all(|range| field.accepts(range)));
    wrong.map(|(field, text)| {
        format!("`{text}` is no {}: {} to {}, with `*`, `,`, `-` and `/`", field.name, field.least, field.most)
    })
}

struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Words that stand for numbers, from `least` on.
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, words: &[] },
    Field { name: "hour", least: 0, most: 23, words: &[] },
    Field { name: "day of the month", least: 1, most: 31, words: &[] },
    Field { name: "month", least: 1, most: 12, words: &MONTHS },
    Field { name: "weekday", least: 0, most: 7, words: &WEEKDAYS },
];

impl Field {
    /// `*`, `5`, `mon`, `1-5`, and the last two with a step: `*/15`, `0-30/10`.
    fn accepts(&self, text: &str) -> bool {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        if step.is_some_and(|step| !matches!(digits(step), Some(1..=59))) {
            return false;
        }
        if range == "*" {
            return true;
        }
        match range.split_once('-') {
            Some((from, to)) => matches!((self.value(from), self.value(to)), (Some(from), Some(to)) if from <= to),
            // `5/15` means different things to different schedulers.
            None => step.is_none() && self.value(range).is_some(),
        }
    }

    fn value(&self, text: &str) -> Option<u8> {
        let by_word = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
        let value = match by_word {
            Some(index) => u8::try_from(index).ok()? + self.least,
            None => digits(text)?,
        };
        (self.least..=self.most).contains(&value).then_some(value)
    }
}

fn digits(text: &str) -> Option<u8> {
    if text.is_empty() || text.len() > 2 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_the_scheduler_reads_too() {
        for text in [
            "0 3 * * *",
            "*/5 * * * *",
            "0-30/10 8-18 1,15 jan-MAR mon-fri",
            "59 23 31 12 7",
            "0 0 * * 0",
            "5,10,15 * * * sun,sat",
        ] {
            assert_eq!(mistake(text), None, "{text}");
            assert!(text.parse::<croner::Cron>().is_ok(), "{text}");
        }
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "-1 * * * *",
            "1- * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "5/15 * * * *",
            ", * * * *",
            "mon * * * *",
            "@daily",
            "L * * * *",
            "001 * * * *",
            "* * * foo *",
        ] {
            assert!(mistake(text).is_some(), "{text}");
        }
    }
}
