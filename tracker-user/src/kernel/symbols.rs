//! The kernel's symbols: which functions it has, and which addresses belong to them.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
};

use super::Root;

const FILE: &str = "proc/kallsyms";
const MODULE: &str = "nf_conntrack";
/// How the names begin that are kept of the hundred thousands: those of conntrack.
const STEMS: [&str; 9] = [
    "nf_c",
    "__nf_c",
    "____nf_c",
    "clean_from_lists",
    "resolve_normal_ct",
    "early_drop",
    "gc_worker",
    "init_conntrack",
    "destroy_conntrack",
];

/// Conntrack's functions among the symbols of the kernel and its modules.
#[derive(Debug)]
pub struct Symbols {
    functions: Vec<Symbol>,
    /// Of all symbols, ascending.
    addresses: Vec<u64>,
}

/// A function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Symbol {
    /// Where it begins.
    address: u64,
    /// Its name, with a compiler's suffix if it has one.
    name: String,
    /// The module that it is in; `None` in the kernel proper.
    module: Option<String>,
}

/// The kernel does not show its symbols.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// The file cannot be read.
    #[error(
        "cannot read the kernel's symbols {path}: {source}. Use a kernel built with \
         CONFIG_KALLSYMS=y, and mount /proc"
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
    /// Reads them, a line at a time: all are ten megabytes.
    ///
    /// # Errors
    /// [`SymbolsError`].
    pub fn read(root: &Root) -> Result<Self, SymbolsError> {
        let path = root.path(FILE);
        File::open(&path)
            .and_then(|file| Self::parse(BufReader::with_capacity(1 << 16, file)))
            .map_err(|source| SymbolsError::Unreadable {
                path: path.display().to_string(),
                source,
            })?
            .shown()
    }

    /// From such a text, for a test.
    #[cfg(test)]
    pub fn of_text(text: &str) -> Self {
        Self::parse(text.as_bytes()).unwrap().shown().unwrap()
    }

    /// From the text of `/proc/kallsyms`; lines that are not as expected are left out.
    fn parse(mut text: impl BufRead) -> io::Result<Self> {
        let mut symbols = Self {
            functions: Vec::new(),
            addresses: Vec::new(),
        };
        let mut line = Vec::new();
        while text.read_until(b'\n', &mut line)? > 0 {
            symbols.take(&line);
            line.clear();
        }
        symbols.addresses.sort_unstable();
        symbols.addresses.dedup();
        Ok(symbols)
    }

    /// Takes in a line such as `ffffffffc0612070 t early_drop [nf_conntrack]`.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let mut columns = line
            .split(u8::is_ascii_whitespace)
            .filter(|column| !column.is_empty());
        let text = |column| std::str::from_utf8(column).ok();
        let address = u64::from_str_radix(text(columns.next()?)?, 16).ok()?;
        self.addresses.push(address);
        let kind = columns.next()?;
        let name = columns.next()?;
        let is_function = matches!(kind, b"t" | b"T" | b"w" | b"W");
        let is_kept = |stem: &&str| name.starts_with(stem.as_bytes());
        if is_function && STEMS.iter().any(is_kept) {
            let module = columns.next().and_then(text);
            let module = module.and_then(|it| it.strip_prefix('[')?.strip_suffix(']'));
            self.functions.push(Symbol {
                address,
                name: text(name)?.to_owned(),
                module: module.map(str::to_owned),
            });
        }
        Some(())
    }

    /// Fails when no address is shown.
    fn shown(self) -> Result<Self, SymbolsError> {
        match self.addresses.last() {
            None | Some(0) => Err(SymbolsError::Hidden),
            Some(_) => Ok(self),
        }
    }

    /// A function by its name: conntrack's own where another has the same name.
    fn find(&self, name: &str) -> Option<&Symbol> {
        let mut named = self.functions.iter().filter(|symbol| symbol.name == name);
        let first = named.next()?;
        if first.module.as_deref() == Some(MODULE) {
            return Some(first);
        }
        named
            .find(|symbol| symbol.module.as_deref() == Some(MODULE))
            .or(Some(first))
    }

    /// Where a function begins.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<u64> {
        Some(self.find(name)?.address)
    }

    /// Where a function begins, and where the next symbol does.
    #[must_use]
    pub fn range(&self, name: &str) -> Option<(u64, u64)> {
        Some(self.range_at(self.address(name)?))
    }

    fn range_at(&self, start: u64) -> (u64, u64) {
        let next = self.addresses.partition_point(|&address| address <= start);
        let end = self.addresses.get(next).copied();
        (start, end.unwrap_or(u64::MAX))
    }

    /// Conntrack's functions in the same module as one of them (or in the kernel proper, like it),
    /// that one too: their names with a compiler's suffix, and where they begin and end.
    pub fn beside(&self, name: &str) -> impl Iterator<Item = (&str, (u64, u64))> {
        let module = self.find(name).map(|symbol| &symbol.module);
        self.functions
            .iter()
            .filter(move |symbol| Some(&symbol.module) == module)
            .map(|symbol| (symbol.name.as_str(), self.range_at(symbol.address)))
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
        self.functions
            .iter()
            .filter_map(|symbol| symbol.name.strip_prefix(name))
            .any(|suffix| {
                // `.cold` is a jump target, not something that is called.
                suffix.starts_with('.') && !suffix.starts_with(".cold")
            })
    }

    /// The module of a function; `None` in the kernel proper, or when there is no such function.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<&str> {
        self.find(name)?.module.as_deref()
    }
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
        let symbols = Symbols::of_text(text);
        assert_eq!(
            symbols.range("early_drop"),
            Some((0xffff_0000_0000_0030, 0xffff_0000_0000_0040))
        );
        assert_eq!(symbols.range("early_drop.cold").unwrap().1, u64::MAX);
        let beside: Vec<_> = symbols.beside("early_drop").collect();
        assert_eq!(
            beside,
            [
                ("early_drop", (0xffff_0000_0000_0030, 0xffff_0000_0000_0040)),
                ("early_drop.cold", (0xffff_0000_0000_0050, u64::MAX))
            ]
        );
        assert!(!symbols.has("nf_ct_delete"), "data is no function");
        assert!(!symbols.has_part("early_drop"));
    }

    #[test]
    fn hidden_addresses_are_an_error() {
        let text = "0000000000000000 T _text\n0000000000000000 t early_drop\t[nf_conntrack]\n";
        let error = Symbols::parse(text.as_bytes())
            .unwrap()
            .shown()
            .unwrap_err();
        assert!(error.to_string().contains("CAP_SYSLOG"), "{error}");
        assert!(matches!(
            Symbols::parse(io::empty()).unwrap().shown(),
            Err(SymbolsError::Hidden)
        ));
    }
}
