//! Who else sets conntrack's settings on this machine: programs that write them when they start,
//! and files that are read at boot.

mod files;
mod kube_proxy;
mod processes;

use super::Root;

pub use self::{
    files::{Files, Line},
    kube_proxy::{KubeProxy, Wish},
};

/// Everybody who was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// kube-proxy runs, by itself or inside another program.
    pub kube_proxy: Option<KubeProxy>,
    /// Calico's node agent runs. It switches `nf_conntrack_acct` on and leaves timers and sizes alone.
    pub has_calico: bool,
    /// What files set at boot.
    pub files: Files,
}

impl Owners {
    /// Looks for them.
    #[must_use]
    pub fn find(root: &Root) -> Self {
        let commands = processes::commands(root);
        Self {
            kube_proxy: KubeProxy::among(&commands),
            has_calico: commands.iter().any(|it| is_calico(it)),
            files: Files::read(root),
        }
    }
}

fn is_calico(command: &[String]) -> bool {
    let program = processes::program(command);
    program == Some("calico-node") || program == Some("calico-felix")
}
