//! Figures of this process under the names that Prometheus' own libraries use. Read from /proc; absent elsewhere.

use std::fs;

/// Figures of the process now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    pub cpu_seconds: f64,
    pub start_seconds: f64,
    pub virtual_bytes: u64,
    pub resident_bytes: u64,
    pub open_descriptors: u64,
    /// None: no limit.
    pub most_descriptors: Option<u64>,
}

/// Reads the figures; none on a system without /proc.
pub(super) fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let ticks = rustix::param::clock_ticks_per_second();
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    let mut process = parse(&stat, &boot, ticks, page)?;
    process.open_descriptors = u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
    process.most_descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Some(process)
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a process fit")]
fn parse(stat: &str, boot: &str, ticks: u64, page: u64) -> Option<Process> {
    // The name in parentheses may contain spaces; the third field follows it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>().ok()?;
    let seconds = |field: u64| field as f64 / ticks as f64;
    Some(Process {
        cpu_seconds: seconds(field(14)? + field(15)?),
        start_seconds: boot as f64 + seconds(field(22)?),
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * page,
        open_descriptors: 0,
        most_descriptors: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_read_from_their_fields() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1000 4096000 25 18446744073709551615";
        let process = parse(stat, "cpu 1 2\nbtime 1700000000\n", 100, 4096).unwrap();
        assert_eq!((process.cpu_seconds, process.start_seconds), (2.0, 1_700_000_010.0));
        assert_eq!((process.virtual_bytes, process.resident_bytes), (4_096_000, 102_400));
        assert_eq!(parse("nothing", "", 100, 4096), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_figures() {
        let process = read().unwrap();
        assert!(process.resident_bytes > 0 && process.open_descriptors > 2, "{process:?}");
    }
}
