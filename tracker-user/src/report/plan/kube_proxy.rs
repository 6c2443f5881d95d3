//! A plan as the part of kube-proxy's configuration that it is about: kube-proxy writes these
//! settings when it starts, whatever they were before.
//!
//! Fields: <https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/>.

use tracker_common::Timer;

use super::{Action, Plan, Renderer, Style, comment, heading, warn};
use crate::settings::Name;

pub struct KubeProxy;

/// Fields of kube-proxy, and the timers that they set.
const TIMERS: [(&str, Timer); 4] = [
    ("tcpEstablishedTimeout", Timer::TcpEstablished),
    ("tcpCloseWaitTimeout", Timer::TcpCloseWait),
    ("udpTimeout", Timer::Udp),
    ("udpStreamTimeout", Timer::UdpStream),
];

impl Renderer for KubeProxy {
    fn render(&self, plan: &Plan, _style: Style) -> String {
        let mut text = heading(plan);
        comment(
            &mut text,
            "For the ConfigMap kube-proxy in the namespace kube-system. What is not named here \
             kube-proxy does not set: it goes into /etc/sysctl.d.",
        );
        warn(&mut text, plan);
        text.push_str(
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nconntrack:\n",
        );
        // The larger one of maxPerCore times the cores and min is taken; min alone is not heeded if
        // maxPerCore is 0, which leaves the maximum as it is: so where it is unlimited, or not known.
        let max = plan.table.current_max.map_or(0, |_| plan.table.max);
        let per_core = u8::from(max > 0);
        text.push_str(&format!("  maxPerCore: {per_core}\n  min: {max}\n"));
        for (field, timer) in TIMERS {
            let name = Name::Timer(timer).full();
            if let Some(setting) = plan.settings.iter().find(|it| it.name == name) {
                text.push_str(&format!("  {field}: {}s\n", setting.recommended));
            }
        }
        let is_proxys = |name: &str| {
            let timers = TIMERS.map(|(_, timer)| Name::Timer(timer).full());
            name == Name::Max.full() || timers.iter().any(|it| it == name)
        };
        for setting in &plan.settings {
            if setting.action != Action::Keep && !is_proxys(&setting.name) {
                let line = format!("/etc/sysctl.d: {} = {}", setting.name, setting.recommended);
                comment(&mut text, &line);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::advice::{Request, plan},
        recording::synthetic::Synthetic,
    };

    #[test]
    fn what_kube_proxy_owns_is_in_its_words_and_the_rest_is_not_lost() {
        let text = KubeProxy.render(&super::super::tests::example(), Style::default());
        let end = text.split("conntrack:\n").nth(1).unwrap();
        assert_eq!(
            end,
            "  maxPerCore: 1\n  min: 65536\n  tcpEstablishedTimeout: 432000s\n  \
             tcpCloseWaitTimeout: 60s\n  udpTimeout: 45s\n  udpStreamTimeout: 120s\n\
             # /etc/sysctl.d: net.netfilter.nf_conntrack_tcp_timeout_time_wait = 60\n"
        );
    }

    #[test]
    fn a_maximum_that_is_not_known_is_left_as_it_is() {
        let mut source = Synthetic::new();
        source.host().table = None;
        let plan = plan(&[source.recording(900)], &Request::default());
        let text = KubeProxy.render(&plan, Style::default());
        assert!(text.contains("  maxPerCore: 0\n  min: 0\n"), "{text}");
        assert!(text.contains("\n# - The watch lasted 15 m"), "{text}");
    }
}
