use tracker_common::State;

use super::*;
use crate::kernel::Root;

const KERNELS: [&str; 6] = ["5.10", "6.1", "6.12", "6.18", "6.18-builtin", "7.3"];

fn of(kernel: &str) -> Offsets {
    Offsets::resolve(&KernelBtf::open(&Root::of_test(kernel)).unwrap()).unwrap()
}

#[test]
fn entries_are_as_each_kernel_lays_them_out() {
    for kernel in KERNELS {
        let offsets = of(kernel);
        // 5.10 has a 16-bit CPU number in the middle.
        let later = if kernel == "5.10" { 8 } else { 0 };
        let expected = Offsets {
            entry_size: 248 + later,
            read_size: 248 + later,
            ct_timeout: 8,
            ct_status: 128,
            ct_net: 136 + later,
            ct_ext: 176 + later,
            ct_l3num: 16 + 16 + 18,
            ct_src: 16 + 16,
            ct_src_port: 16 + 16 + 16,
            ct_dst: 16 + 16 + 20,
            ct_protonum: 16 + 16 + 38,
            ct_dst_port: 16 + 16 + 36,
            tcp_state: 224 + later,
            tcp_last_index: 227 + later,
            tcp_retrans: 226 + later,
            tcp_last_window: 240 + later,
            tcp_last_window_size: 2,
            tcp_flags_0: 201 + later,
            tcp_flags_1: 221 + later,
            gre_timeout: 188 + later,
            gre_stream_timeout: 184 + later,
            sctp_state: 184 + later,
            ext_timeout: 6,
            ..offsets
        };
        assert_eq!(offsets, expected, "{kernel}");
    }
}

#[test]
fn namespaces_are_as_each_kernel_lays_them_out() {
    let inum = |kernel| of(kernel).net_inum;
    assert_eq!(KERNELS.map(inum), [144, 144, 136, 176, 176, 280]);
    let max_retrans = |kernel| of(kernel).tcp_max_retrans;
    assert_eq!(
        KERNELS.map(max_retrans),
        [3276, 2942, 3022, 3334, 2974, 3590]
    );
}

#[test]
fn settings_are_read_in_one_piece() {
    for kernel in KERNELS {
        let offsets = of(kernel);
        let settings = offsets.settings();
        assert!(settings.size <= 256, "{kernel}: {} bytes", settings.size);
        assert_eq!(
            settings.start + settings.max_retrans,
            offsets.tcp_max_retrans
        );
        for (&within, &at) in settings.timers.iter().zip(&offsets.timers) {
            if at == ABSENT {
                assert_eq!(within, ABSENT);
            } else {
                assert_eq!(settings.start + within, at, "{kernel}");
                assert!(within + 4 <= settings.size, "{kernel}");
            }
        }
    }
}

#[test]
fn timers_are_as_each_kernel_lays_them_out() {
    // Start of struct nf_ip_net, and of tcp, udp, icmp, icmpv6, sctp, gre (timeouts) in it.
    for (kernel, start, [tcp, udp, icmp, icmpv6, sctp, gre]) in [
        ("5.10", 3208, [4, 72, 80, 84, 132, 192]),
        ("6.1", 2880, [4, 68, 80, 84, 132, 192]),
        ("6.12", 2960, [4, 68, 80, 84, 132, 192]),
        ("6.18", 3272, [4, 68, 80, 84, 88, 144]),
        ("6.18-builtin", 2912, [4, 64, 72, 76, 80, 136]),
        ("7.3", 3528, [4, 68, 80, 84, 88, 144]),
    ] {
        let timers = of(kernel).timers;
        let at = |timer: Timer| timers[timer.id()] - start;
        assert_eq!(at(Timer::Generic), 0, "{kernel}");
        for state in 1..=9 {
            let timer = Timer::of_tcp(State::from_tcp(state));
            assert_eq!(at(timer), tcp + 4 * u32::from(state), "{kernel} {timer:?}");
            let timer = Timer::of_sctp(State::from_sctp(state));
            assert_eq!(at(timer), sctp + 4 * u32::from(state), "{kernel} {timer:?}");
        }
        assert_eq!(at(Timer::TcpMaxRetrans), tcp + 48, "{kernel}");
        assert_eq!(at(Timer::TcpUnacknowledged), tcp + 52, "{kernel}");
        assert_eq!(
            [at(Timer::Udp), at(Timer::UdpStream)],
            [udp, udp + 4],
            "{kernel}"
        );
        assert_eq!(
            [at(Timer::Icmp), at(Timer::Icmpv6)],
            [icmp, icmpv6],
            "{kernel}"
        );
        assert_eq!(
            [at(Timer::Gre), at(Timer::GreStream)],
            [gre, gre + 4],
            "{kernel}"
        );
        assert_eq!(timers[Timer::Unknown.id()], ABSENT);
    }
}

#[test]
fn packet_functions_take_the_entry_first() {
    for kernel in KERNELS.into_iter().filter(|&kernel| kernel != "5.10") {
        let btf = KernelBtf::open(&Root::of_test(kernel)).unwrap();
        for function in [
            "__nf_conntrack_hash_insert",
            "nf_ct_helper_destroy",
            "nf_conntrack_tcp_packet",
        ] {
            let params = btf.function(function).unwrap();
            assert_eq!(
                params[0].type_name, "struct nf_conn *",
                "{kernel} {function}"
            );
        }
    }
}

#[test]
fn modules_have_files_of_their_own_from_5_11_on() {
    let has = |kernel| {
        KernelBtf::open(&Root::of_test(kernel))
            .unwrap()
            .has_module()
    };
    assert_eq!(KERNELS.map(has), [false, true, true, true, false, true]);
}

#[test]
fn a_machine_without_type_information_is_told_what_it_needs() {
    let error = KernelBtf::open(&Root::at("/nonexistent"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/nonexistent/sys/kernel/btf/vmlinux"),
        "{error}"
    );
    assert!(error.contains("CONFIG_DEBUG_INFO_BTF"), "{error}");
}
