//! bpf(2), where aya does not lead.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_btf_info, bpf_cmd, bpf_insn, bpf_prog_info, bpf_prog_type,
};

fn raw(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn zero() -> bpf_attr {
    // SAFETY: plain integers, for which all zero is a value.
    unsafe { std::mem::zeroed() }
}

/// # Safety
/// What `attr` points to must outlive the call and be as long as `attr` says.
unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<RawFd> {
    // SAFETY: as promised by the caller; the size is that of `attr`.
    let result = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_bpf,
            command,
            &raw mut *attr,
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}

/// # Safety
/// As [`bpf`]; the command must give a new descriptor.
unsafe fn bpf_fd(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: as promised by the caller.
    let fd = unsafe { bpf(command, attr)? };
    // SAFETY: new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `T` must be the structure that the kernel fills for this kind of descriptor.
unsafe fn fill_info<T>(fd: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut attr = zero();
    attr.info.bpf_fd = raw(fd);
    attr.info.info_len = u32::try_from(size_of::<T>()).unwrap_or(0);
    attr.info.info = (&raw mut *info) as u64;
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, which outlives the call.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }.map(drop)
}

/// How often the kernel skipped a program because another one ran on that CPU
/// (`recursion_misses`: 5.12 and later, for kprobes 6.7 and later; 0 on older kernels, which do
/// not count).
pub fn skipped_runs(program: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: plain integers, for which all zero is a value.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    // SAFETY: the structure for programs.
    unsafe { fill_info(program, &mut info)? };
    Ok(info.recursion_misses)
}

/// Loads the least program there is: the kernel, or what stands before it, may refuse them all.
pub fn try_programs() -> io::Result<()> {
    // r0 = 0; exit
    try_code(&[instruction(0xb7, 0, 0, 0), instruction(0x95, 0, 0, 0)])
}

/// The kernel has the instruction that compares and exchanges (5.12 and later).
pub fn has_exchange() -> bool {
    /// `BPF_CMPXCHG`.
    const EXCHANGE: i32 = 0xf1;
    // *(u64 *)(r10 - 8) = r0 = 0; cmpxchg_64(r10 - 8, r0, r0); exit
    try_code(&[
        instruction(0xb7, 0, 0, 0),
        instruction(0x7b, 0x0a, -8, 0),
        instruction(0xdb, 0x0a, -8, EXCHANGE),
        instruction(0xb7, 0, 0, 0),
        instruction(0x95, 0, 0, 0),
    ])
    .is_ok()
}

fn try_code(code: &[bpf_insn]) -> io::Result<()> {
    let mut attr = zero();
    // SAFETY: a union of plain integers.
    let it = unsafe { &mut attr.__bindgen_anon_3 };
    it.prog_type = bpf_prog_type::BPF_PROG_TYPE_SOCKET_FILTER as u32;
    it.insns = code.as_ptr() as u64;
    it.insn_cnt = u32::try_from(code.len()).unwrap_or(u32::MAX);
    it.license = c"GPL".as_ptr() as u64;
    // SAFETY: `code` and the licence outlive the call.
    unsafe { bpf_fd(bpf_cmd::BPF_PROG_LOAD, &mut attr) }.map(drop)
}

/// An instruction: its code, its registers (source, then destination, four bits each), its offset and
/// its number.
fn instruction(code: u8, registers: u8, off: i16, imm: i32) -> bpf_insn {
    bpf_insn {
        code,
        _bitfield_align_1: [],
        _bitfield_1: aya_obj::generated::__BindgenBitfieldUnit::new([registers]),
        off,
        imm,
    }
}
/// Loads a program's type information.
pub fn load_btf(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = zero();
    // SAFETY: a union of plain integers.
    let it = unsafe { &mut attr.__bindgen_anon_7 };
    it.btf = btf.as_ptr() as u64;
    it.btf_size = u32::try_from(btf.len()).unwrap_or(u32::MAX);
    // SAFETY: `btf` outlives the call.
    unsafe { bpf_fd(bpf_cmd::BPF_BTF_LOAD, &mut attr) }
}

/// The kernel's type information of a module.
pub fn module_btf(module: &str) -> io::Result<OwnedFd> {
    let mut id = 0;
    loop {
        let mut attr = zero();
        attr.__bindgen_anon_6.__bindgen_anon_1.start_id = id;
        // SAFETY: nothing is pointed to.
        unsafe { bpf(bpf_cmd::BPF_BTF_GET_NEXT_ID, &mut attr)? };
        // SAFETY: plain integers; the kernel wrote the next id.
        id = unsafe { attr.__bindgen_anon_6.next_id };

        let mut attr = zero();
        attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
        // SAFETY: nothing is pointed to.
        let Ok(fd) = (unsafe { bpf_fd(bpf_cmd::BPF_BTF_GET_FD_BY_ID, &mut attr) }) else {
            // Gone meanwhile.
            continue;
        };
        if is_module(&fd, module)? {
            return Ok(fd);
        }
    }
}

fn is_module(btf: &OwnedFd, module: &str) -> io::Result<bool> {
    use std::os::fd::AsFd;
    let mut name = [0_u8; 64];
    // SAFETY: plain integers, for which all zero is a value.
    let mut info: bpf_btf_info = unsafe { std::mem::zeroed() };
    info.name = name.as_mut_ptr() as u64;
    info.name_len = u32::try_from(name.len()).unwrap_or(0);
    // SAFETY: the structure for type information; `name` is as long as it says.
    match unsafe { fill_info(btf.as_fd(), &mut info) } {
        // A name that does not fit is another's.
        Err(error) if error.raw_os_error() == Some(nix::libc::ENOSPC) => return Ok(false),
        other => other?,
    }
    let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    Ok(info.kernel_btf != 0 && name.to_bytes() == module.as_bytes())
}

/// A program for the entry of a function of the kernel.
pub struct Tracing<'a> {
    /// Name.
    pub name: &'a CStr,
    /// Licence.
    pub license: &'a CStr,
    /// Linked code.
    pub code: &'a [bpf_insn],
    /// Its own type information.
    pub btf: BorrowedFd<'a>,
    /// Records of its functions.
    pub functions: &'a [u8],
    /// How many.
    pub function_count: u32,
    /// The module's type information; `None` for a function of the kernel itself.
    pub target: Option<BorrowedFd<'a>>,
    /// The function in it.
    pub target_id: u32,
}

/// Loads a program; what the verifier says goes to `log`, if that is not empty.
pub fn load(program: &Tracing<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut attr = zero();
    // SAFETY: a union of plain integers.
    let it = unsafe { &mut attr.__bindgen_anon_3 };
    it.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
    it.expected_attach_type = bpf_attach_type::BPF_TRACE_FENTRY as u32;
    it.insns = program.code.as_ptr() as u64;
    it.insn_cnt = u32::try_from(program.code.len()).unwrap_or(u32::MAX);
    it.license = program.license.as_ptr() as u64;
    // The last byte stays 0.
    let room = it.prog_name.len() - 1;
    for (to, from) in it.prog_name[..room].iter_mut().zip(program.name.to_bytes()) {
        *to = from.cast_signed();
    }
    it.prog_btf_fd = raw(program.btf);
    it.func_info = program.functions.as_ptr() as u64;
    it.func_info_cnt = program.function_count;
    it.func_info_rec_size = (program.functions.len() as u32)
        .checked_div(program.function_count)
        .unwrap_or(0);
    it.attach_btf_id = program.target_id;
    it.__bindgen_anon_1.attach_btf_obj_fd = program.target.map_or(0, raw);
    if !log.is_empty() {
        it.log_level = 1;
        it.log_buf = log.as_mut_ptr() as u64;
        it.log_size = u32::try_from(log.len()).unwrap_or(u32::MAX);
    }
    // SAFETY: all that is pointed to is borrowed for longer, and as long as told.
    unsafe { bpf_fd(bpf_cmd::BPF_PROG_LOAD, &mut attr) }
}

/// Attaches a program to what it was loaded for, until the descriptor is closed.
pub fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = zero();
    attr.raw_tracepoint.prog_fd = raw(program);
    // SAFETY: no name is pointed to.
    unsafe { bpf_fd(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr) }
}
