use tracker_common::{Timer, layout::ABSENT};

use super::{OffsetsError, find::Find};

/// Where a timer is within `struct nf_ip_net`; `None` for those that nothing keeps. The numbers
/// are those of `enum tcp_conntrack`, `udp_conntrack`, `gre_conntrack` and `sctp_conntrack`.
fn path(timer: Timer) -> Option<&'static str> {
    Some(match timer {
        Timer::TcpSynSent => "tcp.timeouts[1]",
        Timer::TcpSynRecv => "tcp.timeouts[2]",
        Timer::TcpEstablished => "tcp.timeouts[3]",
        Timer::TcpFinWait => "tcp.timeouts[4]",
        Timer::TcpCloseWait => "tcp.timeouts[5]",
        Timer::TcpLastAck => "tcp.timeouts[6]",
        Timer::TcpTimeWait => "tcp.timeouts[7]",
        Timer::TcpClose => "tcp.timeouts[8]",
        Timer::TcpSynSent2 => "tcp.timeouts[9]",
        Timer::TcpMaxRetrans => "tcp.timeouts[12]",
        Timer::TcpUnacknowledged => "tcp.timeouts[13]",
        Timer::Udp => "udp.timeouts[0]",
        Timer::UdpStream => "udp.timeouts[1]",
        Timer::Icmp => "icmp.timeout",
        Timer::Icmpv6 => "icmpv6.timeout",
        Timer::Gre => "gre.timeouts[0]",
        Timer::GreStream => "gre.timeouts[1]",
        Timer::Generic => "generic.timeout",
        Timer::SctpClosed => "sctp.timeouts[1]",
        Timer::SctpCookieWait => "sctp.timeouts[2]",
        Timer::SctpCookieEchoed => "sctp.timeouts[3]",
        Timer::SctpEstablished => "sctp.timeouts[4]",
        Timer::SctpShutdownSent => "sctp.timeouts[5]",
        Timer::SctpShutdownRecd => "sctp.timeouts[6]",
        Timer::SctpShutdownAckSent => "sctp.timeouts[7]",
        Timer::SctpHeartbeatSent => "sctp.timeouts[8]",
        Timer::SctpHeartbeatAcked => "sctp.timeouts[9]",
        Timer::Unknown => return None,
    })
}

/// Every kernel with conntrack has these.
fn is_required(timer: Timer) -> bool {
    timer.id() < Timer::Gre.id() || timer == Timer::Generic
}

/// [`super::Offsets::timers`]
pub(super) fn all(net: &Find<'_>) -> Result<[u32; Timer::SLOTS], OffsetsError> {
    let mut timers = [ABSENT; Timer::SLOTS];
    for &timer in Timer::ALL {
        let Some(path) = path(timer) else { continue };
        let path = format!("ct.nf_ct_proto.{path}");
        timers[timer.id()] = if is_required(timer) {
            net.sized(&path, 4)?
        } else {
            net.optional(&path, 4)?
        };
    }
    Ok(timers)
}
