"""Whether a process that has ended is started again, and after how long.

As with Docker waits double from 100 ms to one minute and start over after a run of ten seconds. Unlike Docker's the
first restart in a row comes at once: a process that was killed once should be back at once, and one that dies again
waits.
"""

from dataclasses import dataclass

from controller.model.restart import RestartPolicy

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 60.0
HEALTHY_RUN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the last process ended. `exit_code` None counts as a failure; `ran_s` is 0 when it never started.

    `restarts` and `backoff_s` are those of the status.
    """

    exit_code: int | None
    ran_s: float
    restarts: int
    backoff_s: float
    failed_to_start: bool = False


def choose_wait_s(policy: RestartPolicy, ending: Ending) -> float | None:
    """Return how long after the end the process is to be started again; None is never."""
    match policy.name:
        case "no":
            return None
        case "on-failure":
            used_up = policy.max_retries and ending.restarts >= policy.max_retries
            if ending.exit_code == 0 or used_up:
                return None
        case "always" | "unless-stopped":
            pass
    if ending.failed_to_start:
        return _grow(ending.backoff_s)
    if ending.ran_s >= HEALTHY_RUN_S or ending.restarts == 0:
        return 0.0
    return _grow(ending.backoff_s)


def _grow(backoff_s: float) -> float:
    return min(LONGEST_WAIT_S, max(FIRST_WAIT_S, 2 * backoff_s))
