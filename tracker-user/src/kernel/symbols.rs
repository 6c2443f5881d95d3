//! The kernel's symbols: which functions it has, and which addresses belong to them.

use std::io;

use super::Root;

const FILE: &str = "proc/kallsyms";
const MODULE: &str = "nf_conntrack";

/// All symbols of the kernel and its modules.
#[derive(Debug)]
pub struct Symbols {
    text: String,
    /// Ascending.
    addresses: Vec<u64>,
}

/// A function of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Where it begins.
    pub address: u64,
    /// Its name, with a compiler's suffix if it has one.
    pub name: &'a str,
    /// The module that it is in; `None` in the kernel proper.
    pub module: Option<&'a str>,
}

/// The kernel does not show its symbols.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// The file cannot be read.
    #[error(
        "cannot read the kernel's symbols {path}: {source}. It needs a kernel built with \
         CONFIG_KALLSYMS=y, and /proc mounted"
    )]
    Unreadable {
        /// Its path.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// It can be read, but not the addresses.
    #[error(
        "the kernel hides the addresses of its symbols. Run as root or with CAP_SYSLOG; if \
         kernel.kptr_restrict is 2, they stay hidden until it is set to 1"
    )]
    Hidden,
}

impl Symbols {
    /// Reads them: a few megabytes.
    ///
    /// # Errors
    /// [`SymbolsError`].
    pub fn read(root: &Root) -> Result<Self, SymbolsError> {
        let unreadable = |source| {
            let path = root.path(FILE).display().to_string();
            SymbolsError::Unreadable { path, source }
        };
        let bytes = root.bytes(FILE).map_err(unreadable)?;
        Self::parse(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// From the text of `/proc/kallsyms`; lines that are not as expected are left out.
    ///
    /// # Errors
    /// [`SymbolsError::Hidden`] when no address is shown.
    pub fn parse(text: String) -> Result<Self, SymbolsError> {
        let mut addresses: Vec<u64> = lines(&text).map(|(_, symbol)| symbol.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        match addresses.last() {
            None | Some(0) => Err(SymbolsError::Hidden),
            Some(_) => Ok(Self { text, addresses }),
        }
    }

    /// A function by its name: conntrack's own where another has the same name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Symbol<'_>> {
        let mut found = None;
        for symbol in self.functions().filter(|symbol| symbol.name == name) {
            if symbol.module == Some(MODULE) {
                return Some(symbol);
            }
            found.get_or_insert(symbol);
        }
        found
    }

    /// Where a function begins.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<u64> {
        Some(self.find(name)?.address)
    }

    /// Where a function begins, and where the next symbol does.
    #[must_use]
    pub fn range(&self, name: &str) -> Option<(u64, u64)> {
        let start = self.address(name)?;
        let next = self.addresses.partition_point(|&address| address <= start);
        Some((start, self.addresses.get(next).copied().unwrap_or(u64::MAX)))
    }

    /// Ranges of a function, and of the parts and variants of it that the compiler made.
    #[must_use]
    pub fn ranges_with_parts(&self, name: &str) -> Vec<(u64, u64)> {
        let parts = self.parts(name).filter_map(|part| self.range(part.name));
        self.range(name).into_iter().chain(parts).collect()
    }

    /// There is such a function.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The compiler made parts or variants of the function (`.part.0`, `.constprop.0`, `.isra.0`):
    /// its callers may call those instead.
    #[must_use]
    pub fn has_part(&self, name: &str) -> bool {
        self.parts(name).next().is_some()
    }

    /// The module of a function; `None` in the kernel proper, or when there is no such function.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<&str> {
        self.find(name)?.module
    }

    fn parts(&self, name: &str) -> impl Iterator<Item = Symbol<'_>> {
        self.functions().filter(move |symbol| {
            let suffix = symbol.name.strip_prefix(name);
            suffix.is_some_and(|it| {
                // `.cold` is a jump target, not something that is called.
                it.starts_with('.') && !it.starts_with(".cold")
            })
        })
    }

    fn functions(&self) -> impl Iterator<Item = Symbol<'_>> {
        lines(&self.text)
            .filter(|(kind, _)| matches!(*kind, "t" | "T" | "w" | "W"))
            .map(|(_, symbol)| symbol)
    }
}

/// Kind and symbol of each line: `ffffffffc0612070 t early_drop [nf_conntrack]`.
fn lines(text: &str) -> impl Iterator<Item = (&str, Symbol<'_>)> {
    text.lines().filter_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let address = u64::from_str_radix(columns.next()?, 16).ok()?;
        let kind = columns.next()?;
        let name = columns.next()?;
        let module = columns
            .next()
            .and_then(|it| it.strip_prefix('[')?.strip_suffix(']'));
        Some((
            kind,
            Symbol {
                address,
                name,
                module,
            },
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kernel: &str) -> Symbols {
        Symbols::read(&Root::of_test(kernel)).unwrap()
    }

    #[test]
    fn functions_end_where_the_next_symbol_begins() {
        let symbols = of("6.12");
        let (start, end) = symbols.range("early_drop").unwrap();
        assert_eq!(symbols.address("early_drop"), Some(start));
        assert!(end > start && end - start < 0x1000, "{start:x} {end:x}");
        assert_eq!(symbols.module("early_drop"), Some("nf_conntrack"));
        assert_eq!(symbols.module("nf_conntrack_destroy"), None);
    }

    #[test]
    fn parts_are_told_from_whole_functions() {
        assert!(of("5.10").has_part("nf_ct_delete") && of("5.10").has("nf_ct_delete"));
        assert!(!of("6.12").has_part("nf_ct_delete") && of("6.12").has("nf_ct_delete"));
        assert!(!of("6.12").has("init_conntrack") && of("6.12").has_part("init_conntrack"));
        assert_eq!(of("5.10").ranges_with_parts("nf_ct_delete").len(), 2);
    }

    #[test]
    fn every_kernel_has_what_the_programs_sit_on() {
        for kernel in ["5.10", "6.1", "6.12", "6.18", "7.3"] {
            let symbols = of(kernel);
            for name in [
                "__nf_conntrack_hash_insert",
                "nf_ct_helper_destroy",
                "nf_conntrack_tcp_packet",
            ] {
                assert!(
                    symbols.has(name) && !symbols.has_part(name),
                    "{kernel} {name}"
                );
            }
        }
    }

    #[test]
    fn conntracks_own_function_wins_over_a_namesake() {
        let text = "\
ffff000000000010 t early_drop
ffff000000000020 d nf_ct_delete
ffff000000000030 t early_drop\t[nf_conntrack]
ffff000000000040 t early_drop\t[other]
not a line
ffff000000000040 T alias\t[other]
ffff000000000050 t early_drop.cold\t[nf_conntrack]
";
        let symbols = Symbols::parse(text.to_owned()).unwrap();
        assert_eq!(
            symbols.range("early_drop"),
            Some((0xffff_0000_0000_0030, 0xffff_0000_0000_0040))
        );
        assert_eq!(symbols.range("early_drop.cold").unwrap().1, u64::MAX);
        assert!(!symbols.has("nf_ct_delete"), "data is no function");
        assert!(!symbols.has_part("early_drop"));
    }

    #[test]
    fn hidden_addresses_are_an_error() {
        let text = "0000000000000000 T _text\n0000000000000000 t early_drop\t[nf_conntrack]\n";
        let error = Symbols::parse(text.to_owned()).unwrap_err();
        assert!(error.to_string().contains("CAP_SYSLOG"), "{error}");
        assert!(matches!(
            Symbols::parse(String::new()),
            Err(SymbolsError::Hidden)
        ));
    }
}
