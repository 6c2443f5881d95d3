//! Programs at the entry of functions by a trampoline, in the kernel and in modules.
//!
//! aya finds only functions of the kernel itself, so the programs are linked to aya's maps here,
//! and loaded by hand.

use std::{
    collections::HashSet,
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use anyhow::Context;
use aya::{Ebpf, maps::Map};
use aya_obj::{Object, btf::BtfFeatures};

use super::sys;
use crate::kernel::btf::FunctionId;

/// Room for the verifier's words.
const LOG: usize = 1 << 20;

/// The programs of an object, linked to maps that are there already.
pub struct Linked {
    object: Object,
    btf: OwnedFd,
    module: Option<OwnedFd>,
}

/// A program that runs until this is dropped.
pub struct Attached {
    /// The program.
    pub program: OwnedFd,
    _link: OwnedFd,
}

/// Why a program does not run.
#[derive(Debug)]
pub struct Refused {
    /// The system's word.
    pub error: io::Error,
    /// The verifier's.
    pub log: String,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            log: String::new(),
        }
    }
}

impl Linked {
    /// Links the object to the maps.
    pub fn new(object: &[u8], ebpf: &Ebpf, module: Option<&str>) -> anyhow::Result<Self> {
        let mut object = Object::parse(object)?;
        // What every kernel with this type information understands; the rest is rewritten.
        let features = BtfFeatures::new(true, true, true, true, false, false, false, false);
        let btf = object
            .fixup_and_sanitize_btf(&features)?
            .context("the object has no type information")?
            .to_bytes();
        let btf = sys::load_btf(&btf).context("the kernel refuses the object's types")?;
        let maps = std::mem::take(&mut object.maps);
        let fds: Vec<_> = maps
            .iter()
            .filter_map(|(name, map)| {
                let fd = data(ebpf.map(name)?)?.fd().as_fd().as_raw_fd();
                Some((name.as_str(), fd, map))
            })
            .collect();
        let sections: HashSet<usize> = object.functions.keys().map(|key| key.0).collect();
        object.relocate_maps(fds.into_iter(), &sections)?;
        object.relocate_calls(&sections)?;
        let module = module
            .map(|name| sys::module_btf(name).with_context(|| format!("types of {name}")))
            .transpose()?;
        Ok(Self {
            object,
            btf,
            module,
        })
    }

    /// Attaches a program to a function.
    pub fn attach(&self, name: &str, target: FunctionId) -> Result<Attached, Refused> {
        let missing = || io::Error::other(format!("the object has no program {name}"));
        let program = self.object.programs.get(name).ok_or_else(missing)?;
        let code = self.object.functions.get(&program.function_key());
        let code = code.ok_or_else(missing)?;
        let name = CString::new(name).map_err(io::Error::other)?;
        let functions = code.func_info.func_info_bytes();
        let tracing = sys::Tracing {
            name: &name,
            license: &program.license,
            code: &code.instructions,
            btf: self.btf.as_fd(),
            functions: &functions,
            function_count: u32::try_from(code.func_info.len()).unwrap_or(0),
            target: self
                .module
                .as_ref()
                .filter(|_| target.in_module)
                .map(AsFd::as_fd),
            target_id: target.id,
        };
        let program = sys::load(&tracing, &mut []).or_else(|error| {
            // Again for the verifier's words, which cost time to write.
            let mut log = vec![0; LOG];
            sys::load(&tracing, &mut log).map_err(|_| Refused {
                error,
                log: words(&log),
            })
        })?;
        let link = sys::attach(program.as_fd())?;
        Ok(Attached {
            program,
            _link: link,
        })
    }
}

/// What the verifier has said last. It begins anew with each path that it has followed to its end, and leaves
/// behind what it has written before.
fn words(log: &[u8]) -> String {
    let said = CStr::from_bytes_until_nul(log).unwrap_or_default();
    said.to_string_lossy().into_owned()
}

fn data(map: &Map) -> Option<&aya::maps::MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerfEventArray(data)
        | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}
