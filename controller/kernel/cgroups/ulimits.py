"""How far the daemon may raise limits of setrlimit(2) for the processes that it starts."""

import resource
from pathlib import Path

UNLIMITED = 2**64 - 1
"""What OCI configurations have for no limit (RLIM_INFINITY)."""

_CAP_SYS_RESOURCE = 24
RLIMIT_NUMBERS = {
    "core": resource.RLIMIT_CORE,
    "cpu": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "locks": 10,  # sys/resource.h; the library leaves it out
    "memlock": resource.RLIMIT_MEMLOCK,
    "msgqueue": resource.RLIMIT_MSGQUEUE,
    "nice": resource.RLIMIT_NICE,
    "nofile": resource.RLIMIT_NOFILE,
    "nproc": resource.RLIMIT_NPROC,
    "rss": resource.RLIMIT_RSS,
    "rtprio": resource.RLIMIT_RTPRIO,
    "rttime": resource.RLIMIT_RTTIME,
    "sigpending": resource.RLIMIT_SIGPENDING,
    "stack": resource.RLIMIT_STACK,
}


def read_highest_ulimits() -> dict[str, int]:
    """Return, by Docker's names, the hard limits that can't be exceeded; what is missing can be unlimited.

    With CAP_SYS_RESOURCE that is the number of files alone (fs.nr_open), without it each hard limit of the daemon's own.
    """
    if _may_raise():
        return {"nofile": int(Path("/proc/sys/fs/nr_open").read_text())}
    hard = {name: resource.getrlimit(number)[1] for name, number in RLIMIT_NUMBERS.items()}
    return {name: limit for name, limit in hard.items() if limit != resource.RLIM_INFINITY}


def _may_raise() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(effective >> _CAP_SYS_RESOURCE & 1)
