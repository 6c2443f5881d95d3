//! The hooks' inner functions, each in a program of its own that `tracker bench` runs by itself: as
//! classifiers, since a kernel may let one of those be tried that refuses to be watched.

use aya_ebpf::{macros::classifier, programs::TcContext};
use tracker_common::{State, Timer, armed, histogram, native::CALLS};

/// Of a linear congruential generator: each call gets another number, of which nothing is known.
const FACTOR: u64 = 6_364_136_223_846_793_005;
const SUMMAND: u64 = 1_442_695_040_888_963_407;

#[inline(always)]
fn repeat(seed: u32, mut function: impl FnMut(u64) -> u64) -> i32 {
    let mut number = u64::from(seed);
    let mut sum = 0_u64;
    for _ in 0..CALLS {
        number = number.wrapping_mul(FACTOR).wrapping_add(SUMMAND);
        sum = sum.wrapping_add(function(number));
    }
    // Whatever depends on all calls.
    (sum ^ (sum >> 32)) as i32
}

macro_rules! timed {
    ($($name:ident => $function:expr;)*) => {
        $(
            #[classifier]
            fn $name(ctx: TcContext) -> i32 {
                repeat(ctx.len(), $function)
            }
        )*
    };
}

timed! {
    time_nothing => |number| number;
    time_bucket => |number| histogram::index(number >> (number & 63)) as u64;
    time_armed_tcp => |number| armed::tcp(&segment(number), jiffies).id() as u64;
    time_armed_udp => |number| armed::udp(number).1.id() as u64;
}

#[inline(always)]
fn state(number: u64) -> State {
    if number & 1 == 0 {
        State::TcpEstablished
    } else {
        State::TcpFinWait
    }
}

#[inline(always)]
fn segment(number: u64) -> armed::Tcp {
    armed::Tcp {
        state: state(number),
        status: number >> 8,
        retrans: (number >> 16) as u8 & 3,
        max_retrans: 3,
        last_index: (number >> 24) as u8 & 7,
        flags: (number >> 32) as u8,
        last_window: (number >> 40) as u32,
        remaining: (number >> 33) as i32,
    }
}

/// Lengths of the timers, in jiffies: any.
static LENGTHS: [u32; Timer::SLOTS] = [75_000; Timer::SLOTS];

/// Read from memory, as the hooks do, whatever the compiler knows of it.
#[inline(always)]
fn jiffies(timer: Timer) -> u32 {
    match LENGTHS.get(timer.id()) {
        // SAFETY: a reference is valid.
        Some(length) => unsafe { core::ptr::read_volatile(length) },
        None => 0,
    }
}
