//! Branches in machine code: whether a function calls another, or jumps to it as its last act.

/// A processor whose branches are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// x86-64.
    X86,
    /// aarch64.
    Arm,
}

impl Processor {
    /// The one that this program is built for, which is the kernel's.
    pub fn own() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86),
            "aarch64" => Some(Self::Arm),
            _ => None,
        }
    }

    /// Code that begins at an address holds a direct branch to a target.
    ///
    /// Bytes that only look like a branch do no harm: they have to lead to the very target, which
    /// chance makes so rarely that it does not matter that a hook is then passed over which could
    /// have been taken. What counts is that no branch is missed.
    pub fn branches(self, code: &[u8], address: u64, target: u64) -> bool {
        match self {
            Self::X86 => x86(code, address, target),
            Self::Arm => arm(code, address, target),
        }
    }
}

/// An instruction may begin at any byte, so each is tried.
fn x86(code: &[u8], address: u64, target: u64) -> bool {
    code.windows(5).zip(address..).any(|(bytes, at)| {
        let &[operation, a, b, c, d] = bytes else {
            return false;
        };
        // The distance is counted from the end.
        let distance = i32::from_le_bytes([a, b, c, d]);
        // Call, jump, and the second byte of a conditional jump.
        matches!(operation, 0xe8 | 0xe9 | 0x80..=0x8f)
            && at.wrapping_add(5).wrapping_add_signed(distance.into()) == target
    })
}

/// Every instruction is a word, little-endian even where data is not.
fn arm(code: &[u8], address: u64, target: u64) -> bool {
    let words = code.as_chunks().0.iter();
    words.zip((address..).step_by(4)).any(|(&bytes, at)| {
        let word = u32::from_le_bytes(bytes);
        // The lower 26 bits are a signed number of words, counted from the instruction itself.
        let distance = ((word << 6).cast_signed() >> 6) * 4;
        // Branch with link, and without.
        matches!(word >> 26, 0b10_0101 | 0b00_0101)
            && at.wrapping_add_signed(distance.into()) == target
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0xffff_ffff_c061_3f70;

    /// Whether the code branches to what lies so many bytes after its start.
    fn x86(code: &[u8], ahead: i64) -> bool {
        Processor::X86.branches(code, START, START.wrapping_add_signed(ahead))
    }

    fn arm(code: &[u32], ahead: i64) -> bool {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        Processor::Arm.branches(&bytes, START, START.wrapping_add_signed(ahead))
    }

    #[test]
    fn calls_and_jumps_of_x86_lead_from_their_end() {
        // push %rbx; call 0x100 bytes on; pop %rbx; ret
        let call = [0x53, 0xe8, 0x00, 0x01, 0x00, 0x00, 0x5b, 0xc3];
        assert!(x86(&call, 6 + 0x100));
        assert!(!x86(&call, 6 + 0x101) && !x86(&call, 0x100) && !x86(&call, 6));
        // jmp, backwards
        assert!(x86(&[0xe9, 0xf0, 0xff, 0xff, 0xff], 5 - 16));
        // test %eax,%eax; jne
        let conditional = [0x85, 0xc0, 0x0f, 0x85, 0x10, 0x00, 0x00, 0x00];
        assert!(x86(&conditional, 8 + 16));
        // As long as a branch, but lea 0x100(%rip),%rax, and cut off.
        assert!(!x86(&[0x48, 0x8d, 0x05, 0, 1, 0, 0], 7 + 0x100));
        assert!(!x86(&call[..5], 6 + 0x100));
        assert!(!x86(&[], 0));
    }

    #[test]
    fn a_byte_of_another_instruction_hides_no_call() {
        // mov $0xe8e9e8e8,%eax; call: what seem to be calls before lead elsewhere.
        let code = [0xb8, 0xe8, 0xe8, 0xe9, 0xe8, 0xe8, 0x40, 0, 0, 0];
        assert!(x86(&code, 10 + 0x40));
        assert!(!x86(&code, 0x40) && !x86(&code, 5 + 0x40) && !x86(&code, 9 + 0x40));
    }

    #[test]
    fn branches_of_arm_lead_from_themselves() {
        // stp x29,x30,[sp,#-16]!; bl 0x40 bytes on; ret
        let call = [0xa9bf_7bfd, 0x9400_0010, 0xd65f_03c0];
        assert!(arm(&call, 4 + 0x40));
        assert!(!arm(&call, 0x40) && !arm(&call, 8 + 0x40));
        // nop; b, backwards
        assert!(arm(&[0xd503_201f, 0x17ff_fffc], 4 - 16));
        // The farthest there is, both ways.
        assert!(arm(&[0x95ff_ffff], 0x7ff_fffc));
        assert!(arm(&[0x9600_0000], -0x800_0000));
        // The same distance, but b.eq and ldr.
        assert!(!arm(&[0x5400_0200], 0x40) && !arm(&[0x5800_0200], 0x40));
    }

    #[test]
    fn addresses_wrap_at_the_end_of_memory() {
        let last = u64::MAX - 15;
        assert!(!Processor::X86.branches(&[0x90; 16], last, 0));
        assert!(!Processor::Arm.branches(&[0; 16], last, 0));
        assert!(Processor::X86.branches(&[0xe8, 0x0b, 0, 0, 0], last, 0));
    }
}
