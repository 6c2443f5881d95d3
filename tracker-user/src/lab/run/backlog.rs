//! Packets that a CPU has taken, and not yet passed on.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

/// How many packets wait at a CPU.
#[derive(Debug)]
pub struct Backlog {
    file: File,
    cpu: usize,
    text: String,
}

impl Backlog {
    /// That of a CPU.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn of(cpu: usize) -> io::Result<Self> {
        Ok(Self {
            file: File::open("/proc/net/softnet_stat")?,
            cpu,
            text: String::new(),
        })
    }

    /// Its length; nothing where the kernel keeps it to itself.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn length(&mut self) -> io::Result<u64> {
        self.text.clear();
        self.file.rewind()?;
        self.file.read_to_string(&mut self.text)?;
        Ok(length(&self.text, self.cpu).unwrap_or(0))
    }
}

/// Columns of hexadecimal numbers: the twelfth is the length, the thirteenth the CPU.
fn length(text: &str, cpu: usize) -> Option<u64> {
    let number = |word: &str| u64::from_str_radix(word, 16).ok();
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(11);
        let length = number(words.next()?)?;
        (number(words.next()?)? == cpu as u64).then_some(length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_the_cpu_is_read() {
        let zeros = "00000000 ".repeat(11);
        let text = format!(
            "{zeros}00000000 00000000 00000000 00000000\n{zeros}00000012 00000001 00000011 00000001\n"
        );
        assert_eq!(length(&text, 0), Some(0));
        assert_eq!(length(&text, 1), Some(0x12));
        assert_eq!(length(&text, 2), None);
        assert_eq!(length("0 1 2\n", 0), None);
    }

    #[test]
    fn this_machine_tells() {
        let mut backlog = Backlog::of(0).unwrap();
        backlog.length().unwrap();
        backlog.length().unwrap();
    }
}
