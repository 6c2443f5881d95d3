//! The programs as they are built, and as this kernel needs them.

use aya::include_bytes_aligned;
use object::{Object as _, ObjectSection as _, SectionKind};
use tracker_common::{CAST, CAST_TYPE, Field};

use crate::kernel::{btf::KernelBtf, offsets::Offsets};

/// As they are built.
pub static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracker.bpf.o"));

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;
/// `BPF_LDX`, the class of instructions that load from memory.
const LOAD: u8 = 0x01;
/// The bits of an instruction's code that name its class.
const CLASS: u8 = 0x07;
/// The bits of a load's code that name its size.
const SIZE: u8 = 0x18;

/// `BPF_STX | BPF_ATOMIC | BPF_DW`, and in its number `BPF_CMPXCHG`.
const EXCHANGE: (u8, i32) = (0xdb, 0xf1);
/// `BPF_ALU64 | BPF_MOV | BPF_K`: a register is set to the instruction's number.
const SET: u8 = 0xb7;
/// `r0 = 0`.
const NOTHING: [u8; INSTRUCTION] = [SET, 0, 0, 0, 0, 0, 0, 0];
/// `BPF_JMP | BPF_CALL`, and its source register for a function of the kernel,
/// `BPF_PSEUDO_KFUNC_CALL`.
const CALL: [u8; 4] = [0x85, 2 << 4, 0, 0];

/// What this kernel's programs may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// An instruction that compares and exchanges.
    pub exchange: bool,
    /// A function that makes an address one to read through.
    pub cast: Option<Cast>,
}

/// Numbers of types in the kernel's own information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    function: u32,
    entry: u32,
}

impl Cast {
    /// Where the kernel has `bpf_rdonly_cast` (6.2 and later) and knows the type of an entry, though
    /// conntrack may be a module.
    pub fn of(btf: &KernelBtf) -> Option<Self> {
        let function = btf.function_id("bpf_rdonly_cast")?;
        Some(Self {
            function: (!function.in_module).then_some(function.id)?,
            entry: btf.kernel_struct("nf_conn")?,
        })
    }
}

/// The object, made for this kernel: its marked loads (see [`Field`]), its casts, and the exchanges,
/// which a kernel that has none refuses even where they are not reached.
pub fn made_for(offsets: &Offsets, means: Means) -> anyhow::Result<Vec<u8>> {
    let mut bytes = OBJECT.to_vec();
    for section in object::File::parse(OBJECT)?.sections() {
        let Some((start, length)) = section.file_range() else {
            continue;
        };
        if section.kind() == SectionKind::Text {
            let (start, length) = (usize::try_from(start)?, usize::try_from(length)?);
            let code = bytes
                .get_mut(start..start + length)
                .ok_or_else(|| anyhow::anyhow!("a section is cut short"))?;
            fill(code, offsets)?;
            if !means.exchange {
                leave_out_exchanges(code);
            }
            if let Some(cast) = means.cast {
                call(code, cast);
            }
        }
    }
    Ok(bytes)
}

fn leave_out_exchanges(code: &mut [u8]) {
    for instruction in code.chunks_exact_mut(INSTRUCTION) {
        if (instruction[0], number(instruction)) == EXCHANGE {
            instruction.copy_from_slice(&NOTHING);
        }
    }
}

/// Puts the function and the type of an entry where they are called for.
fn call(code: &mut [u8], cast: Cast) {
    for instruction in code.chunks_exact_mut(INSTRUCTION) {
        let number = match (instruction[0], number(instruction)) {
            (SET, CAST) => {
                instruction[..4].copy_from_slice(&CALL);
                cast.function
            }
            (SET, CAST_TYPE) => cast.entry,
            _ => continue,
        };
        instruction[4..].copy_from_slice(&number.to_le_bytes());
    }
}

/// The number in an instruction of [`INSTRUCTION`] bytes.
fn number(instruction: &[u8]) -> i32 {
    i32::from_le_bytes([
        instruction[4],
        instruction[5],
        instruction[6],
        instruction[7],
    ])
}

/// Puts the offset and the size of fields into the loads that are marked.
fn fill(code: &mut [u8], offsets: &Offsets) -> anyhow::Result<()> {
    for instruction in code.chunks_exact_mut(INSTRUCTION) {
        let offset = i16::from_le_bytes([instruction[2], instruction[3]]);
        let Some(field) = Field::from_mark(offset).filter(|_| instruction[0] & CLASS == LOAD)
        else {
            continue;
        };
        // What asks for a field that is nowhere is not reached.
        let (offset, size) = offsets.field(field).unwrap_or((0, 1));
        instruction[0] = instruction[0] & !SIZE | size_code(size)?;
        instruction[2..4].copy_from_slice(&i16::try_from(offset)?.to_le_bytes());
    }
    Ok(())
}

/// The bits of a load's code for a size in bytes (`BPF_W` and the like).
fn size_code(bytes: u32) -> anyhow::Result<u8> {
    match bytes {
        4 => Ok(0x00),
        2 => Ok(0x08),
        1 => Ok(0x10),
        8 => Ok(0x18),
        _ => anyhow::bail!("no instruction loads {bytes} bytes"),
    }
}
