//! The kernel's own statistics of the programs that it holds.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::libc;
use serde::{Deserialize, Serialize};

use super::report::Runs;

const GET_NEXT_ID: libc::c_int = 11;
const GET_FD_BY_ID: libc::c_int = 13;
const GET_INFO_BY_FD: libc::c_int = 15;

/// A program and how often and long it ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// The kernel's number for it.
    pub id: u32,
    /// Its type, as in `enum bpf_prog_type`.
    pub type_: u32,
    /// The first 15 bytes of its name.
    pub name: String,
    /// How often it ran.
    pub runs: u64,
    /// How long in all, in ns.
    pub ns: u64,
    /// Instructions as loaded.
    pub translated: u32,
    /// Instructions that the verifier walked, 0 if the kernel does not tell.
    pub verified: u32,
}

impl Program {
    /// How it is attached.
    pub fn kind(&self) -> &'static str {
        match self.type_ {
            2 => "kprobe",
            26 => "fentry",
            17 => "raw tracepoint",
            _ => "other",
        }
    }

    /// Its name without what says how it is attached, which may be cut short.
    pub fn hook(&self) -> &str {
        match self.name.rsplit_once('_') {
            Some((hook, kind)) if [self.kind(), "copy"].iter().any(|it| it.starts_with(kind)) => {
                hook
            }
            _ => &self.name,
        }
    }

    /// What it took during a case of so many units, per unit and per run.
    pub fn during(&self, case: &str, units: u64) -> Runs {
        Runs {
            case: case.to_owned(),
            program: self.hook().to_owned(),
            kind: self.kind().to_owned(),
            per_unit: self.runs as f64 / units as f64,
            instructions: self.ns as f64 / self.runs as f64,
            translated: self.translated,
            verified: self.verified,
        }
    }
}

/// All programs that the kernel holds.
pub fn all() -> Result<Vec<Program>> {
    let mut found = Vec::new();
    let mut attributes = Attributes::default();
    while bpf(GET_NEXT_ID, &mut attributes).is_ok() {
        let id = attributes.0[1];
        // A program may be gone before it is asked for.
        if let Some(program) = program(id)? {
            found.push(program);
        }
        attributes = Attributes::default();
        attributes.0[0] = id;
    }
    Ok(found)
}

/// What those that ran since an earlier look did since then.
pub fn since(before: &[Program], now: Vec<Program>) -> Vec<Program> {
    let earlier = |id| before.iter().find(|program| program.id == id);
    now.into_iter()
        .map(|program| match earlier(program.id) {
            Some(then) => Program {
                runs: program.runs - then.runs,
                ns: program.ns - then.ns,
                ..program
            },
            None => program,
        })
        .filter(|program| program.runs > 0)
        .collect()
}

fn program(id: u32) -> Result<Option<Program>> {
    let mut attributes = Attributes::default();
    attributes.0[0] = id;
    let fd = match bpf(GET_FD_BY_ID, &mut attributes) {
        // SAFETY: the kernel just gave this descriptor to this process, and nothing else owns it.
        Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
        Err(nix::Error::ENOENT) => return Ok(None),
        Err(err) => return Err(err).context("cannot open a program; this takes root"),
    };
    let mut info = Info::default();
    let place = (&raw mut info).expose_provenance() as u64;
    let mut attributes = Attributes::default();
    attributes.0[0] = fd.as_raw_fd().cast_unsigned();
    attributes.0[1] = size_of::<Info>() as u32;
    attributes.0[2] = place as u32;
    attributes.0[3] = (place >> 32) as u32;
    bpf(GET_INFO_BY_FD, &mut attributes).context("the kernel does not describe a program")?;
    // The kernel wrote this where the compiler cannot see it.
    let info = std::hint::black_box(info);
    let length = info.name.iter().position(|&byte| byte == 0);
    Ok(Some(Program {
        id,
        type_: info.type_,
        name: String::from_utf8_lossy(&info.name[..length.unwrap_or(info.name.len())]).into_owned(),
        runs: info.run_cnt,
        ns: info.run_time_ns,
        translated: info.xlated_prog_len / 8,
        verified: info.verified_insns,
    }))
}

/// `union bpf_attr`, as far as these commands read it.
#[repr(C, align(8))]
#[derive(Default)]
struct Attributes([u32; 32]);

/// `struct bpf_prog_info`; older kernels fill less of it.
#[repr(C, align(8))]
#[derive(Default)]
struct Info {
    type_: u32,
    id: u32,
    tag: [u8; 8],
    jited_prog_len: u32,
    xlated_prog_len: u32,
    /// Addresses of the instructions, load time, user, maps.
    skipped: [u64; 5],
    name: [u8; 16],
    /// Interface and licence, namespace, symbols, BTF, lines, tags.
    skipped_too: [u64; 14],
    run_time_ns: u64,
    run_cnt: u64,
    recursion_misses: u64,
    verified_insns: u32,
    attach_btf_obj_id: u32,
    attach_btf_id: u32,
    pad: u32,
}

const _: () = {
    assert!(std::mem::offset_of!(Info, name) == 64);
    assert!(std::mem::offset_of!(Info, run_time_ns) == 192);
    assert!(std::mem::offset_of!(Info, verified_insns) == 216);
};

fn bpf(command: libc::c_int, attributes: &mut Attributes) -> nix::Result<libc::c_int> {
    // SAFETY: the attributes are live, larger than what these commands read, and zero where nothing is said. Where they
    // hold an address, it is that of a live `Info` of the length given with it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<Attributes>(),
        )
    };
    // A descriptor or 0; the call returns no more than an int.
    nix::Error::result(done as libc::c_int)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, type_: u32, runs: u64) -> Program {
        Program {
            id: 1,
            type_,
            name: name.into(),
            runs,
            ns: runs * 10,
            translated: 0,
            verified: 0,
        }
    }

    #[test]
    fn a_hook_is_named_also_when_the_kernel_cuts_the_name_short() {
        assert_eq!(program("insert_kprobe", 2, 1).hook(), "insert");
        assert_eq!(program("udp_packet_kpro", 2, 1).hook(), "udp_packet");
        assert_eq!(program("destroy_fentry", 26, 1).hook(), "destroy");
        assert_eq!(program("udplite_packet_", 2, 1).hook(), "udplite_packet");
        assert_eq!(program("census", 17, 1).hook(), "census");
    }

    #[test]
    fn only_what_ran_since_counts() {
        let before = [program("a", 2, 5)];
        let after = since(&before, vec![program("a", 2, 8)]);
        assert_eq!((after[0].runs, after[0].ns), (3, 30));
        assert!(since(&before, vec![program("a", 2, 5)]).is_empty());
    }
}
