//! The programs as they are built, and as this kernel needs them.

use aya::include_bytes_aligned;
use object::{Object as _, ObjectSection as _, SectionKind};
use tracker_common::Field;

use crate::kernel::offsets::Offsets;

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
/// `r0 = 0`.
const NOTHING: [u8; INSTRUCTION] = [0xb7, 0, 0, 0, 0, 0, 0, 0];

/// The object, made for this kernel: its marked loads (see [`Field`]), and the exchanges, which a kernel
/// that `has_exchange` not refuses even where they are not reached.
pub fn made_for(offsets: &Offsets, has_exchange: bool) -> anyhow::Result<Vec<u8>> {
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
            if !has_exchange {
                leave_out_exchanges(code);
            }
        }
    }
    Ok(bytes)
}

fn leave_out_exchanges(code: &mut [u8]) {
    for instruction in code.chunks_exact_mut(INSTRUCTION) {
        let number = [
            instruction[4],
            instruction[5],
            instruction[6],
            instruction[7],
        ];
        if (instruction[0], i32::from_le_bytes(number)) == EXCHANGE {
            instruction.copy_from_slice(&NOTHING);
        }
    }
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
