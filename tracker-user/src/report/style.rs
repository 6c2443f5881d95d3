//! How text is laid out: as wide as the terminal, in colour unless that is unwanted.

use std::io::IsTerminal;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// Columns below which a table says nothing.
const NARROWEST: u16 = 40;

/// Where the text goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Columns; `None` does not wrap.
    pub width: Option<u16>,
    /// Bold and colours.
    pub colour: bool,
}

impl Style {
    /// As a stream has it: plain and as wide as it needs unless that is a terminal, and plain when
    /// `NO_COLOR` is set (<https://no-color.org>). A terminal that does not tell its width, as a
    /// serial line, does not wrap.
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Self {
        if !stream.is_terminal() {
            return Self::default();
        }
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        let width = Table::new().width().filter(|&width| width >= NARROWEST);
        Self {
            width,
            colour: !no_colour,
        }
    }

    /// A heading.
    pub(super) fn heading(self, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[1m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// A table under a header, or nothing if it has no rows. The columns named in `left` hold text, the others numbers.
    pub(super) fn grid<const N: usize>(
        self,
        header: [&str; N],
        left: &[usize],
        rows: impl IntoIterator<Item = [Cell; N]>,
    ) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        match self.width {
            Some(width) => table.set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(header.map(|it| Cell::new(it).add_attribute(comfy_table::Attribute::Dim)));
        table.add_rows(rows);
        if table.is_empty() {
            return String::new();
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((if place == 0 { 2 } else { 1 }, 1));
            if !left.contains(&place) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = table.trim_fmt();
        text.push('\n');
        text
    }

    /// A paragraph, broken at the terminal's width, its later lines indented.
    pub(super) fn paragraph(self, text: &str, indent: usize) -> String {
        let width = self.width.map_or(usize::MAX, usize::from).max(20);
        let mut lines = String::new();
        let mut used = 0;
        for word in text.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                lines.push('\n');
                lines.extend(std::iter::repeat_n(' ', indent));
                used = indent;
            } else if used > 0 {
                lines.push(' ');
                used += 1;
            }
            lines.push_str(word);
            used += length;
        }
        lines.push('\n');
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_at_the_width() {
        let style = Style {
            width: Some(24),
            colour: false,
        };
        let text = style.paragraph("Warning: one two three four five six", 2);
        assert_eq!(text, "Warning: one two three\n  four five six\n");
        assert_eq!(Style::default().paragraph("a b", 2), "a b\n");
    }

    #[test]
    fn a_grid_fits_the_width_and_is_plain_unless_asked() {
        let rows = || {
            [[
                Cell::new("a name"),
                Cell::new("a long text that has to be wrapped"),
            ]]
        };
        let narrow = Style {
            width: Some(30),
            colour: false,
        }
        .grid(["x", "y"], &[0, 1], rows());
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 30),
            "{narrow}"
        );
        assert!(!narrow.contains('\u{1b}'));
        let coloured = Style {
            width: Some(80),
            colour: true,
        }
        .grid(["x", "y"], &[0, 1], rows());
        assert!(coloured.contains('\u{1b}'));
    }
}
