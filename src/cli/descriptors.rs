//! Open file descriptors of the process: raises the limit as far as the system allows, and gives connections
//! what the store, the policies and the vendors do not need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors reserved for the store, the policy tree, the vendors and the log.
const RESERVED: usize = 512;

/// Number of connections that each listener may hold open: the wanted number if the descriptors suffice.
pub fn connections(wanted: usize, listeners: usize) -> usize {
    let limit = raised();
    let possible = share(limit, listeners);
    if possible < wanted {
        tracing::warn!(
            limit,
            wanted,
            possible,
            "the limit of open descriptors (ulimit -n) bounds the connections"
        );
    }
    wanted.min(possible)
}

fn share(limit: usize, listeners: usize) -> usize {
    let reserved = RESERVED.min(limit / 2);
    ((limit - reserved) / listeners.max(1)).max(1)
}

/// Raises the limit as far as this process may, and returns it.
fn raised() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let count =
        |limit: Option<u64>| limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let (now, most) = (count(current), count(maximum));
    if now >= most {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => most,
        Err(error) => {
            tracing::debug!(%error, "the limit of open descriptors could not be raised");
            now
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn some_descriptors_are_not_used_for_connections() {
        for (limit, listeners, expected) in [
            (1_024, 1, 512),
            (1_024, 2, 256),
            (65_536, 1, 65_024),
            (20_000, 2, 9_744),
            (256, 1, 128),
            (1, 2, 1),
        ] {
            assert_eq!(super::share(limit, listeners), expected, "{limit} {listeners}");
        }
    }
}
