//! What this machine offers to a watch, who sets its connection tracking, and what to mend.

mod remedies;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    apply::Store,
    kernel::{
        Root,
        legacy::{self, Legacy},
        machine::{Capabilities, Machine, MachineError, Presence, Tracking},
        owners::{Line, Owners},
        sysctl::{self, TableFiles},
    },
    source::{
        Hook, Table,
        ebpf::{self, Offer},
    },
};

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Checkup {
    /// Version of this shape.
    pub schema_version: u32,
    /// Host name.
    pub host: String,
    /// `uname -r`.
    pub kernel: String,
    /// What the kernel keeps even from root: `none`, `integrity`, `confidentiality`.
    pub lockdown: &'static str,
    /// The kernel has type information of itself.
    pub has_btf: bool,
    /// And of conntrack's module, which takes fentry hooks there.
    pub has_module_btf: bool,
    /// Where conntrack is: `built_in`, `loaded`, `not_loaded`, `absent`.
    pub conntrack: &'static str,
    /// Whether anything makes it track, in a sentence.
    pub tracking: String,
    /// Capabilities that the caller lacks.
    pub missing_capabilities: Vec<&'static str>,
    /// What the kernel has for each event; empty where it does not show its symbols or types.
    pub offers: Vec<Offer>,
    /// What it took of that, where that was tried.
    pub hooks: Vec<Hook>,
    /// This machine can be watched by the caller.
    pub can_observe: bool,
    /// Why not.
    pub refusal: Option<String>,
    /// The table of the caller's namespace.
    pub table: Option<Table>,
    /// Its settings, by short names; timers in seconds.
    pub sysctls: BTreeMap<String, u64>,
    /// Who else sets them.
    pub owners: Setters,
    /// Names that no kernel knows any more.
    pub legacy: Vec<OldName>,
    /// What to do, in sentences.
    pub remedies: Vec<String>,
}

/// Who sets conntrack's settings beside the user.
#[derive(Clone, Debug, Serialize)]
pub struct Setters {
    /// The program that kube-proxy runs as or inside.
    pub kube_proxy: Option<String>,
    /// Calico's node agent runs.
    pub calico: bool,
    /// Lines of sysctl files, in the order in which they are set.
    pub sysctl_files: Vec<FileLine>,
    /// Lines about the module.
    pub modprobe_files: Vec<FileLine>,
    /// The file that has the module loaded before sysctl files are read.
    pub loaded_by: Option<String>,
    /// A plan is applied: the file with the values from before.
    pub applied: Option<String>,
}

/// A line of a file.
#[derive(Clone, Debug, Serialize)]
pub struct FileLine {
    /// The file.
    pub file: String,
    /// The setting, or the whole line.
    pub name: String,
    /// Its value; empty of a whole line.
    pub value: String,
}

/// An old name in a file.
#[derive(Clone, Debug, Serialize)]
pub struct OldName {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// As it stands there.
    pub old: String,
    /// What it is called now.
    pub new: String,
}

/// Whether a watch can begin: the hooks that were taken, or why not. `None` if it was not tried.
pub type Trial = Option<Result<Vec<Hook>, String>>;

impl Checkup {
    /// Looks at a machine; `trial` is what came of beginning a watch there.
    ///
    /// # Errors
    /// When it does not show even its kernel's name.
    pub fn of(root: &Root, trial: Trial) -> Result<Self, MachineError> {
        let machine = Machine::read(root)?;
        let presence = Presence::read(root, &machine);
        let missing = Capabilities::read(root).map_or_else(|_| Vec::new(), Capabilities::missing);
        let offers = ebpf::survey(root);
        let (hooks, refusal) = match trial {
            Some(Ok(hooks)) => (hooks, None),
            Some(Err(refusal)) => (Vec::new(), Some(refusal)),
            None => (Vec::new(), unlikely(presence, &offers)),
        };
        let owners = Owners::find(root);
        let applied = Store::usual(root);
        let mut checkup = Self {
            schema_version: 1,
            host: machine.host,
            kernel: machine.release,
            lockdown: machine.lockdown.name(),
            has_btf: root.has("sys/kernel/btf/vmlinux"),
            has_module_btf: root.has("sys/kernel/btf/nf_conntrack"),
            conntrack: name(presence),
            tracking: Tracking::read(root).to_string(),
            missing_capabilities: missing.iter().map(|it| it.name()).collect(),
            offers: offers.unwrap_or_default(),
            hooks,
            can_observe: refusal.is_none(),
            refusal,
            table: TableFiles::open(root).and_then(|it| it.read()).ok(),
            sysctls: sysctl::settings(root).unwrap_or_default(),
            owners: Setters {
                kube_proxy: owners.kube_proxy.map(|it| it.program),
                calico: owners.has_calico,
                sysctl_files: owners.files.sysctls.into_iter().map(file_line).collect(),
                modprobe_files: owners.files.modprobe.into_iter().map(file_line).collect(),
                loaded_by: owners.files.loads,
                applied: applied.exists().then(|| applied.display().to_string()),
            },
            legacy: legacy::find(root).into_iter().map(old_name).collect(),
            remedies: Vec::new(),
        };
        checkup.remedies = remedies::all(&checkup, &presence);
        Ok(checkup)
    }
}

/// Why a watch would not begin, as far as that can be told without trying.
fn unlikely(presence: Presence, offers: &Result<Vec<Offer>, ebpf::StartError>) -> Option<String> {
    match (presence, offers) {
        (Presence::Absent, _) => Some(ebpf::StartError::Absent.to_string()),
        (Presence::NotLoaded, _) => Some(ebpf::StartError::NotLoaded.to_string()),
        (_, Err(error)) => Some(error.to_string()),
        (_, Ok(offers)) => {
            let lacks = |it: &&Offer| it.required && it.candidates.is_empty();
            let missing = offers.iter().find(lacks)?;
            Some(format!(
                "this kernel has none of the functions that show the event \"{}\". Report it with the \
                 output of uname -r",
                missing.event
            ))
        }
    }
}

const fn name(presence: Presence) -> &'static str {
    match presence {
        Presence::BuiltIn => "built_in",
        Presence::Loaded => "loaded",
        Presence::NotLoaded => "not_loaded",
        Presence::Absent => "absent",
    }
}

fn file_line(line: Line) -> FileLine {
    FileLine {
        file: line.file,
        name: line.name,
        value: line.value,
    }
}

fn old_name(found: Legacy) -> OldName {
    OldName {
        file: found.file,
        line: found.line,
        old: found.old,
        new: found.new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_machine_offers_what_its_kernel_has() {
        for (kernel, kind) in [("6.12", "fentry"), ("5.10", "kprobe")] {
            let root = Root::of_test(kernel);
            let offers = ebpf::survey(&root).unwrap();
            let insert = offers.iter().find(|it| it.event == "insert").unwrap();
            assert_eq!(insert.candidates[0].symbol, "__nf_conntrack_hash_insert");
            assert_eq!(insert.candidates[0].kind, kind, "{kernel}");
        }
        let checkup = Checkup::of(&Root::of_test("6.12"), None).unwrap();
        assert_eq!(checkup.conntrack, "loaded");
        assert!(checkup.can_observe, "{:?}", checkup.refusal);
        assert_eq!(checkup.sysctls["nf_conntrack_udp_timeout"], 30);
        let refused = Checkup::of(&Root::of_test("6.12"), Some(Err("no. Stop".to_owned())));
        assert!(refused.unwrap().remedies[0].contains("no. Stop"));
    }
}
