//! The machine code of conntrack's functions: which of them go to another.

use std::collections::BTreeMap;

use aya::{
    Ebpf, EbpfError, EbpfLoader, RawTracePointRunOptions, TestRun,
    maps::{Array, MapError},
    programs::{ProgramError, RawTracePoint},
};

use super::{branch::Processor, object::OBJECT};
use crate::kernel::symbols::Symbols;

/// Bytes that are read at a time: what the program `text` copies.
const PAGE: usize = 4096;
/// No function of conntrack is nearly as long.
const LONGEST: u64 = 1 << 20;

/// It cannot be told who goes to a function. Not the user's business: another hook is taken then.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// An unknown instruction set.
    #[error("the branches of this processor are not known. Use x86-64 or aarch64")]
    Processor,
    /// No such function.
    #[error("the kernel has no symbol {0}. Use one that has")]
    Missing(String),
    /// The object lacks what reads.
    #[error("the object has no {0} to read code. Build it from the same source")]
    Incomplete(&'static str),
    /// The object is refused.
    #[error(transparent)]
    Object(#[from] EbpfError),
    /// The program is refused, or does not run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its result is out of reach.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// Who goes to each of some functions, or why that cannot be told.
pub type Callers = BTreeMap<&'static str, Result<Vec<String>, String>>;

/// [`callers`] of these functions. It takes memory that is better free again when more is taken.
pub fn all_callers(symbols: &Symbols, functions: impl Iterator<Item = &'static str>) -> Callers {
    let of = |function| callers(symbols, function).map_err(|error| error.to_string());
    functions.map(|function| (function, of(function))).collect()
}

/// Conntrack's functions in whose code there is a branch to one of them, without the suffix of a
/// part that the compiler split off. Those of other modules are left out: what is inlined comes
/// from the same translation unit.
fn callers(symbols: &Symbols, function: &str) -> Result<Vec<String>, TextError> {
    let processor = Processor::own().ok_or(TextError::Processor)?;
    let mut reader = Reader::new()?;
    find(symbols, function, processor, |page| reader.read(page))
}

/// The same, with code from wherever: `read` gives a page of it, `None` if it cannot be read.
fn find(
    symbols: &Symbols,
    function: &str,
    processor: Processor,
    mut read: impl FnMut(u64) -> Result<Option<[u8; PAGE]>, TextError>,
) -> Result<Vec<String>, TextError> {
    let missing = || TextError::Missing(function.to_owned());
    let target = symbols.address(function).ok_or_else(missing)?;
    let mut callers: Vec<String> = Vec::new();
    for (name, (start, end)) in symbols.beside(function) {
        let code = code(start, end, &mut read)?;
        if processor.branches(&code, start, target) {
            let whole = name.split('.').next().unwrap_or(name);
            callers.push(whole.to_owned());
        }
    }
    Ok(callers)
}

/// What can be read from `start` to `end`. The next symbol after a section's last function is
/// somewhere else, and what ran only when the kernel began is no longer there: both can be seen by
/// that they cannot be read, and what cannot be read on these processors cannot run.
fn code(
    start: u64,
    end: u64,
    read: &mut impl FnMut(u64) -> Result<Option<[u8; PAGE]>, TextError>,
) -> Result<Vec<u8>, TextError> {
    let end = end.min(start.saturating_add(LONGEST));
    let mut code = Vec::new();
    let mut at = start;
    while at < end {
        let offset = at % PAGE as u64;
        let Some(page) = read(at - offset)? else {
            break;
        };
        let rest = usize::try_from(end - at).unwrap_or(PAGE);
        let piece = page.iter().skip(offset as usize).take(rest);
        code.extend(piece);
        at += PAGE as u64 - offset;
    }
    Ok(code)
}

/// The program that reads, loaded.
struct Reader {
    ebpf: Ebpf,
}

impl Reader {
    fn new() -> Result<Self, TextError> {
        let mut loader = EbpfLoader::new();
        for map in ["ENTRIES", "OVERFLOW", "SLOTS", "OWNERS", "SCOPE"] {
            loader.map_max_entries(map, 1);
        }
        let mut ebpf = loader.btf(None).load(OBJECT)?;
        let program = ebpf
            .program_mut("text")
            .ok_or(TextError::Incomplete("program"))?;
        let program: &mut RawTracePoint = program.try_into()?;
        program.load()?;
        Ok(Self { ebpf })
    }

    fn read(&mut self, page: u64) -> Result<Option<[u8; PAGE]>, TextError> {
        let program = self
            .ebpf
            .program("text")
            .ok_or(TextError::Incomplete("program"))?;
        let program: &RawTracePoint = program.try_into()?;
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = page;
        if program.test_run(options)?.return_value != 0 {
            return Ok(None);
        }
        let map = self.ebpf.map("TEXT").ok_or(TextError::Incomplete("map"))?;
        let pages: Array<_, [u8; PAGE]> = Array::try_from(map)?;
        Ok(Some(pages.get(&0, 0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELETE: u64 = 0xffff_ffff_c061_3f70;
    const KALLSYMS: &str = "\
ffffffffc0613000 t __nf_ct_delete_from_lists\t[nf_conntrack]
ffffffffc0613700 T nf_ct_destroy\t[nf_conntrack]
ffffffffc0613f70 T nf_ct_delete\t[nf_conntrack]
ffffffffc0614f90 T nf_ct_kill_acct\t[nf_conntrack]
ffffffffc0618000 T nf_ct_remove_expectations\t[nf_conntrack]
ffffffffc0624000 t nf_ct_delete.cold\t[nf_conntrack]
ffffffffc0700000 t nf_ct_of_another\t[nf_conntrack_netlink]
";
    const TARGET: u64 = 0xffff_ffff_c061_8000;

    /// Pages in which some addresses hold a call to the target, and the last page there is.
    fn find_calls(calls: &[u64]) -> Vec<String> {
        find(
            &Symbols::of_text(KALLSYMS),
            "nf_ct_remove_expectations",
            Processor::X86,
            |page| {
                let mut bytes = [0x90; PAGE];
                for &call in calls {
                    let distance = TARGET.wrapping_sub(call + 5) as u32;
                    let code = [0xe8_u8].into_iter().chain(distance.to_le_bytes());
                    for (at, byte) in (call..).zip(code) {
                        if at & !0xfff == page {
                            bytes[(at & 0xfff) as usize] = byte;
                        }
                    }
                }
                Ok((page != 0xffff_ffff_c062_5000).then_some(bytes))
            },
        )
        .unwrap()
    }

    #[test]
    fn who_calls_is_told_by_the_code() {
        let (itself, destroy) = (0xffff_ffff_c061_3123, 0xffff_ffff_c061_36ff);
        assert_eq!(
            find_calls(&[itself, destroy + 1]),
            ["__nf_ct_delete_from_lists", "nf_ct_destroy"]
        );
        assert_eq!(find_calls(&[DELETE]), ["nf_ct_delete"]);
        assert!(find_calls(&[]).is_empty());
        // Across two functions, so in neither.
        assert!(find_calls(&[destroy]).is_empty());
    }

    #[test]
    fn a_copy_shows_wherever_it_lies() {
        // Across two pages; the last bytes of the function; its part elsewhere.
        for call in [
            0xffff_ffff_c061_3ffe,
            0xffff_ffff_c061_4f8b,
            0xffff_ffff_c062_4ffb,
        ] {
            assert_eq!(find_calls(&[call]), ["nf_ct_delete"], "{call:x}");
        }
        let other_module = 0xffff_ffff_c070_0010;
        assert!(find_calls(&[other_module]).is_empty());
    }

    #[test]
    fn what_cannot_be_read_calls_nobody() {
        let symbols = Symbols::of_text(KALLSYMS);
        let find = |name| find(&symbols, name, Processor::Arm, |_| Ok(None));
        assert!(find("nf_ct_remove_expectations").unwrap().is_empty());
        let error = find("nf_ct_unknown").unwrap_err();
        assert!(error.to_string().contains("no symbol nf_ct_unknown"));
    }
}
