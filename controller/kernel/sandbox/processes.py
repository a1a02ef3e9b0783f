"""Processes of a throw-away host: forking, passing signals on, reaping, exit codes."""

import os
import signal
import traceback
from collections.abc import Callable

from controller.kernel.sandbox import syscalls

EXIT_BROKEN = 125

_PASSED_ON = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
)


def block_signals() -> set[signal.Signals]:
    """Hold back the signals that supervise() waits for. Call it before spawn(); returns the mask to restore."""
    return {
        signal.Signals(number)
        for number in signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON | {signal.SIGCHLD})
    }


def spawn(body: Callable[[], int]) -> int:
    """Fork a child that runs body, exits with its answer, and dies with its parent. Returns the child's pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        os._exit(body())
    finally:  # reached by an exception alone
        traceback.print_exc()
        os._exit(EXIT_BROKEN)


def supervise(pid: int) -> int:
    """Wait for pid, reaping every other child and passing signals on to it. Returns its exit code, 128+n for signal n.

    The terminal sends Ctrl-C to the whole group, so that pid has it already: only what a process sent is passed on.
    """
    while True:
        info = signal.sigwaitinfo(_PASSED_ON | {signal.SIGCHLD})
        if info.si_signo != signal.SIGCHLD:
            if info.si_code <= 0:
                os.kill(pid, info.si_signo)
            continue
        status = _reap(pid)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _reap(main_pid: int) -> int | None:
    """Reap all that have ended; the wait status of main_pid if it is among them."""
    main_status = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return main_status
        if pid == 0:
            return main_status
        if pid == main_pid:
            main_status = status
