//! Runs of a program that the kernel skipped, because another one ran on that CPU.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_info};

/// How often the kernel skipped a program (`recursion_misses`: 5.12 and later, for kprobes 6.7 and
/// later; 0 on older kernels, which do not count).
pub fn runs(program: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: plain integers, for which all zero is a value.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.info.bpf_fd = u32::try_from(program.as_raw_fd()).unwrap_or(u32::MAX);
    attr.info.info_len = u32::try_from(size_of::<bpf_prog_info>()).unwrap_or(0);
    attr.info.info = (&raw mut info) as u64;
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, which outlives the call.
    let failed = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_bpf,
            bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of::<bpf_attr>(),
        )
    };
    if failed == 0 {
        Ok(info.recursion_misses)
    } else {
        Err(io::Error::last_os_error())
    }
}
