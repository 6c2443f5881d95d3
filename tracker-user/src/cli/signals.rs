//! What ends a run early, and how far it is meanwhile.

use std::{io::IsTerminal, path::PathBuf, sync::Arc, thread, time::Duration};

use indicatif::ProgressBar;
use tokio::{
    runtime::{Builder, Runtime},
    time::{MissedTickBehavior, interval},
};

use super::{Exit, live, stop::Stop};
use crate::{lab::control::Control, units};

/// How often the line on the terminal is renewed.
const PERIOD: Duration = Duration::from_millis(500);

/// From now on the first signal asks the run to end, and a second one ends the program.
pub fn heed(control: &Arc<Control>) -> std::io::Result<()> {
    start(Arc::clone(control), ProgressBar::hidden())
}

/// Likewise, and a terminal is shown how far the run is.
pub fn heed_and_show(control: &Arc<Control>) -> std::io::Result<()> {
    start(Arc::clone(control), bar())
}

/// From now on a signal ends the program, and removes a folder. What it has started ends with it.
pub fn end_with(folder: PathBuf) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut stop = Stop::new()?;
    drop(entered);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(stop.next());
            // It is in the folder of temporary files: what is left there goes some day.
            let _ = std::fs::remove_dir_all(folder);
            std::process::exit(Exit::INTERRUPTED_STATUS.into());
        })?;
    Ok(())
}

fn start(control: Arc<Control>, bar: ProgressBar) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let stop = Stop::new()?;
    drop(entered);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || listen(&runtime, stop, &control, &bar))?;
    Ok(())
}

fn bar() -> ProgressBar {
    if std::io::stderr().is_terminal() {
        ProgressBar::new_spinner().with_style(live::style("{spinner} {elapsed}  {msg}"))
    } else {
        ProgressBar::hidden()
    }
}

fn listen(runtime: &Runtime, mut stop: Stop, control: &Control, bar: &ProgressBar) {
    runtime.block_on(async {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut before = 0;
        loop {
            tokio::select! {
                biased;
                _ = stop.next() => {
                    if control.is_stopped() {
                        // What holds the lab's namespaces are this process's files.
                        std::process::exit(Exit::INTERRUPTED_STATUS.into());
                    }
                    control.stop();
                }
                _ = ticks.tick(), if !bar.is_hidden() => {
                    let packets = control.packets();
                    let rate = (packets - before) as f64 / PERIOD.as_secs_f64();
                    before = packets;
                    bar.tick();
                    let sent = units::count(packets);
                    bar.set_message(if control.is_settling() {
                        format!("{sent} packets  entries expire, or are deleted on Ctrl-C")
                    } else {
                        format!("{sent} packets  {} a second", units::rate(rate))
                    });
                }
            }
        }
    });
}
