//! One start of qemu, with four serial ports: console, stdout, stderr, and init's report.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::{Machine, Sink};
use crate::kernel::Kernel;
use crate::note;
use crate::process::need;

/// What a virtual machine left behind.
#[derive(Debug, Default)]
pub struct End {
    /// `kvm` or `tcg`.
    pub accelerator: &'static str,
    /// The kernel's console.
    pub console: String,
    /// What init wrote: the report, then the guest's /out if it was asked for.
    pub control: Vec<u8>,
    /// What qemu itself said.
    pub emulator: String,
    /// Whether the machine was stopped because its time was over.
    pub timed_out: bool,
    /// Whether qemu ended well.
    pub emulator_ok: bool,
}

impl End {
    /// init's lines.
    pub fn report(&self) -> String {
        String::from_utf8_lossy(&self.control[..self.report_len()]).into_owned()
    }

    /// What follows init's lines.
    pub fn parcel(&self) -> &[u8] {
        &self.control[self.report_len()..]
    }

    fn report_len(&self) -> usize {
        let lines = self.control.split_inclusive(|byte| *byte == b'\n');
        lines
            .take_while(|line| line.starts_with(b"ready ") || line.starts_with(b"exit "))
            .map(<[u8]>::len)
            .sum()
    }
}

/// Boots a kernel and waits for the machine's end. KVM is used where it works.
pub fn boot(kernel: &Kernel, initrd: &[u8], machine: &Machine, stdout: Sink) -> Result<End> {
    let stdout = Shared::new(stdout);
    let first = accelerator(machine);
    let end = start(kernel, initrd, machine, first, &stdout)?;
    let silent = !end.emulator_ok && !end.timed_out && end.console.is_empty();
    if silent && first == "kvm" {
        note!(
            "KVM does not work here ({}); going on without it",
            end.emulator
        );
        return start(kernel, initrd, machine, "tcg", &stdout);
    }
    if silent {
        bail!(
            "qemu does not start: {}. Give it less memory, or reinstall qemu-system-x86",
            end.emulator
        );
    }
    Ok(end)
}

/// KVM only where the CPU says that it can: some hosts show a /dev/kvm that runs only kernels made for it. Counting
/// instructions needs emulation.
fn accelerator(machine: &Machine) -> &'static str {
    let usable = || {
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut words = flags
            .lines()
            .filter(|line| line.starts_with("flags"))
            .flat_map(str::split_whitespace);
        words.any(|flag| flag == "vmx" || flag == "svm")
            && fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/kvm")
                .is_ok()
    };
    if !machine.warp && usable() {
        "kvm"
    } else {
        "tcg"
    }
}

fn start(
    kernel: &Kernel,
    initrd: &[u8],
    machine: &Machine,
    accelerator: &'static str,
    stdout: &Shared,
) -> Result<End> {
    let mut memory = tempfile::tempfile().context("cannot create the guest's initramfs")?;
    memory.write_all(initrd)?;

    let (finished, all_finished) = mpsc::channel();
    let mut pumps = Vec::new();
    let mut ports = Vec::new();
    let sinks: [Sink; 4] = [
        Box::new(io::sink()),
        Box::new(stdout.clone()),
        Box::new(io::stderr()),
        Box::new(io::sink()),
    ];
    for sink in sinks {
        let (reader, writer) = io::pipe()?;
        ports.push(OwnedFd::from(writer));
        pumps.push(pump(reader, sink, finished.clone()));
    }
    drop(finished);

    let mut passed: Vec<&dyn AsRawFd> = ports.iter().map(|port| port as &dyn AsRawFd).collect();
    passed.push(&memory);
    let mut qemu = command(kernel, machine, accelerator, &ports, memory.as_raw_fd())?;
    let mut child = spawn(&mut qemu, &passed)?;
    drop(ports);
    let emulator = child
        .stderr
        .take()
        .map(|stderr| pump(stderr, Box::new(io::sink()), mpsc::channel().0));

    // Every port is closed when the machine has ended.
    let timed_out =
        all_finished.recv_timeout(machine.timeout) == Err(mpsc::RecvTimeoutError::Timeout);
    if timed_out {
        child.kill()?;
    }
    let status = child.wait()?;
    let mut texts = pumps
        .into_iter()
        .map(|pump| pump.join().unwrap_or_default());
    let console = texts.next().unwrap_or_default();
    let control = texts.next_back().unwrap_or_default();
    let said = emulator
        .and_then(|pump| pump.join().ok())
        .unwrap_or_default();
    Ok(End {
        accelerator,
        console: String::from_utf8_lossy(&console).replace('\r', ""),
        control,
        emulator: String::from_utf8_lossy(&said).trim().to_owned(),
        timed_out,
        emulator_ok: status.success(),
    })
}

fn command(
    kernel: &Kernel,
    machine: &Machine,
    accelerator: &str,
    ports: &[OwnedFd],
    initrd: i32,
) -> Result<Command> {
    let mut qemu = Command::new(need("qemu-system-x86_64")?);
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-machine",
        "q35",
    ])
    .args(["-accel", &accelerated(accelerator, machine)])
    .args([
        "-cpu",
        if accelerator == "kvm" {
            "host"
        } else {
            "max,la57=off"
        },
    ])
    .args([
        "-smp",
        &machine.smp.to_string(),
        "-m",
        &machine.mem.to_string(),
    ])
    .arg("-kernel")
    .arg(&kernel.image)
    .args(["-initrd", &format!("/proc/self/fd/{initrd}")])
    .args(["-append", "console=ttyS0 loglevel=5 panic=-1 oops=panic"]);
    if machine.warp {
        qemu.args(["-icount", "shift=0,sleep=off"]);
    }
    for port in ports {
        qemu.args([
            "-serial",
            &format!("file:/proc/self/fd/{}", port.as_raw_fd()),
        ]);
    }
    qemu.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Ok(qemu)
}

fn accelerated(accelerator: &str, machine: &Machine) -> String {
    match accelerator {
        "tcg" if machine.in_turn => "tcg,thread=single".to_owned(),
        _ => accelerator.to_owned(),
    }
}

/// Starts qemu with these files open in it, so that it ends when this process does.
fn spawn(qemu: &mut Command, passed: &[&dyn AsRawFd]) -> Result<Child> {
    let files: Vec<i32> = passed.iter().map(|file| file.as_raw_fd()).collect();
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        for file in &files {
            // SAFETY: the callers' files are open until the child is started, and closed by their owners only.
            let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(*file) };
            fcntl(file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only prctl and fcntl are called, which are async-signal-safe; nothing allocates.
    unsafe { qemu.pre_exec(prepare) };
    qemu.spawn().context("cannot start qemu")
}

/// Copies a pipe to a sink as it comes, until its end; gives back all that came.
fn pump(
    mut from: impl Read + Send + 'static,
    mut to: Sink,
    finished: mpsc::Sender<()>,
) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            all.extend_from_slice(&buffer[..count]);
            if to
                .write_all(&buffer[..count])
                .and_then(|()| to.flush())
                .is_err()
            {
                // Whoever read this has gone; the guest must not block on it.
                to = Box::new(io::sink());
            }
        }
        drop(finished);
        all
    })
}

/// A sink for the first start and, if KVM fails, the second.
#[derive(Clone)]
struct Shared(std::sync::Arc<std::sync::Mutex<Sink>>);

impl Shared {
    fn new(sink: Sink) -> Self {
        Self(std::sync::Arc::new(std::sync::Mutex::new(sink)))
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Sink) -> io::Result<T>) -> io::Result<T> {
        use_it(
            &mut *self
                .0
                .lock()
                .map_err(|_| io::Error::other("another thread failed"))?,
        )
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|sink| sink.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(Write::flush)
    }
}
