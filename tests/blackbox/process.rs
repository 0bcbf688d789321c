//! What the system says of a running gateway: its memory, its processor time, its open files.

use std::time::Duration;

use crate::gateway::Gateway;

/// The system's clock ticks, in which /proc counts processor time, are 100 a second on Linux
/// whatever the kernel's own (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

impl Gateway {
    /// Memory that the process holds, MiB.
    pub(crate) fn resident_mib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Processor time that the process has used, its own and the kernel's for it.
    pub(crate) fn processor_time(&self) -> Duration {
        // The program's name, in parentheses, may hold spaces. After it, utime and stime are the
        // 12th and 13th field (proc(5)).
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        TICK * ticks.map(|ticks| ticks.parse::<u32>().unwrap()).sum()
    }

    /// How many files and sockets the process holds open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.id())).unwrap()
    }
}
