//! tracker's eBPF programs.
//!
//! Each hook hands over at once to a plain function: [`insert`], [`packet`], [`death`]. These read
//! the entry, ask the rules of `tracker-common` what it shows, and count. Nothing is sent per
//! event; a ring buffer carries rare diagnostics only.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod asm;
mod bank;
mod bench;
mod caller;
mod config;
mod death;
mod entries;
mod entry;
mod graves;
mod index;
mod insert;
mod look;
mod maps;
mod namespace;
mod packet;
mod ports;
mod programs;
mod rare;
mod strata;
mod tally;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program in which a panic can be reached.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
