//! Tables, sizes and bars for the terminal. What strangers chose is never sent there raw.

use std::fmt::Write;

/// Text without control characters, which a terminal would obey.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_hidden(character) {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// Marks that turn the direction of text or take no room.
fn is_hidden(character: char) -> bool {
    matches!(u32::from(character), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff)
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
    let mut amount = bytes as f64;
    while amount >= 1_024.0 && unit + 1 < UNITS.len() {
        amount /= 1_024.0;
        unit += 1;
    }
    let word = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{bytes} {word}") } else { format!("{amount:.1} {word}") }
}

/// Seconds as people read them.
pub fn span(seconds: f64) -> String {
    match seconds {
        short if short < 1.0 => format!("{:.0} ms", short * 1_000.0),
        middle if middle < 120.0 => format!("{middle:.1} s"),
        long if long < 7_200.0 => format!("{:.0} min", long / 60.0),
        longer => format!("{:.1} h", longer / 3_600.0),
    }
}

/// A column: its head, and whether it holds numbers.
pub type Column = (&'static str, bool);

/// Rows under heads, each column as wide as it has to be.
pub fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let width = |at: usize, head: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([head.chars().count()]).max().unwrap_or(0).min(WIDEST)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(at, (head, _))| width(at, head)).collect();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut row = String::new();
        for ((cell, width), (_, is_number)) in cells.zip(&widths).zip(columns) {
            let cell = shortened(cell, *width);
            // Writing to a `String` cannot fail.
            let _ =
                if *is_number { write!(row, "{cell:>width$}  ") } else { write!(row, "{cell:<width$}  ") };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&mut columns.iter().map(|(head, _)| *head));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

fn shortened(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let mut short: String = cell.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Names with bars as long as their values.
pub fn bars(rows: &[(String, u64, String)]) -> String {
    let most = rows.iter().map(|(_, value, _)| *value).max().unwrap_or(0).max(1);
    let name = rows.iter().map(|(name, _, _)| name.chars().count()).max().unwrap_or(0).min(WIDEST);
    let mut text = String::new();
    for (label, value, shown) in rows {
        let eighths = usize::try_from(u128::from(*value) * (BAR * 8) as u128 / u128::from(most)).unwrap_or(0);
        let mut bar = "█".repeat(eighths / 8);
        bar.extend("▏▎▍▌▋▊▉".chars().nth((eighths % 8).wrapping_sub(1)));
        if bar.is_empty() && *value > 0 {
            bar.push('▏');
        }
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{:<name$}  {bar:<BAR$}  {shown}", shortened(label, name));
    }
    text
}

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const WIDEST: usize = 44;
const BAR: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        assert_eq!(clean("a\u{1b}[2J\nb\u{202e}"), "a\\u{1b}[2J\\u{a}b\\u{202e}");
    }

    #[test]
    fn sizes_and_times_are_read_at_a_glance() {
        assert_eq!(
            (size(17), size(1_536), size(5 << 30)),
            ("17 B".into(), "1.5 KiB".into(), "5.0 GiB".into())
        );
        assert_eq!(
            (span(0.25), span(61.0), span(10_800.0)),
            ("250 ms".into(), "61.0 s".into(), "3.0 h".into())
        );
    }

    #[test]
    fn bars_grow_with_their_values() {
        let rows = [("alice".to_owned(), 100, "100".to_owned()), ("bob".into(), 1, "1".into())];
        let text = bars(&rows);
        let count = |line: &str| line.chars().filter(|c| ('█'..='▏').contains(c)).count();
        let lines: Vec<usize> = text.lines().map(count).collect();
        assert_eq!(lines.first(), Some(&30));
        assert_eq!(lines.get(1), Some(&1));
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["x".repeat(60), "7".into()]];
        let text = table(&[("name", false), ("count", true)], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() == 44 + 2 + 5), "{text}");
    }
}
