//! The tables in docs/benchmarks.md.

use std::fs;

use anyhow::{Context, Result};

use crate::{note, workspace};

const BEGIN: &str = "<!-- tables: begin -->\n";
const END: &str = "<!-- tables: end -->";

/// Puts the tables where the old ones were.
pub fn rewrite(tables: &str) -> Result<()> {
    let path = workspace::root().join("docs/benchmarks.md");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let fresh = replace(&text, tables).with_context(|| {
        format!(
            "{} has lost the marks of its tables. Put back {} and {END}",
            path.display(),
            BEGIN.trim()
        )
    })?;
    fs::write(&path, fresh).with_context(|| format!("cannot write {}", path.display()))?;
    note!("{} is rewritten", path.display());
    Ok(())
}

/// None if a mark is missing.
fn replace(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n{}\n\n{END}{after}",
        tables.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}old\n{END}\nb\n");
        let once = replace(&text, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n\n{END}\nb\n"));
        assert_eq!(replace(&once, "new\n").unwrap(), once);
        assert_eq!(replace("no marks", "new"), None);
    }
}
