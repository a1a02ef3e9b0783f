"""Starts a check from a thread that has entered the container, so that no copy of this process has to be made for it.

posix_spawn(3) suspends the calling thread, and no other, until the child has become the program: a container that is
paused just then holds up its own check alone. So that the thread holds the interpreter's lock as little as can be while the
container's limits apply to it, the cgroups are entered last.

What threads have in common can't be changed for one of them: see `Launcher.suits`. What holds for `probe_child` holds here:
few pages, no imports later.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import resource

from controller.kernel.health.probe_entry import (
    CLONE_NEWPID,
    INSIDE,
    LIBC,
    OOM_SCORE_PATH,
    Context,
    check_call,
    find_programs,
    read,
    write,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_LAUNCHED = 100
"""So many checks at a time leave room for the files of more, with the limits that a container may have."""

_FILES = resource.RLIMIT_NOFILE
_LEAST_FILES = 1024
"""As many this process itself may need to open."""
_PATIENCE_S = 0.005
"""Checks are started one after another as long as that is quick."""
_CLONE_FS = 0x200
_POSIX_SPAWN_SETSIGDEF, _POSIX_SPAWN_SETSID = 0x04, 0x80
_LIBC_SIGNALS = 1 << 31 | 1 << 32
"""The two that glibc keeps for itself: programs that it starts ignore them, if not told otherwise."""
_SIGNAL_SET_BYTES = 128
_OPAQUE_BYTES = 512
"""More than posix_spawnattr_t and posix_spawn_file_actions_t take in any libc."""
_STACK_BYTES = 256 * 1024
_CAP_SYS_RESOURCE = 24
_ENOENT, _EAGAIN, _EACCES, _ENOTDIR = 2, 11, 13, 20


class Launch:
    """A check on its way, begun with it; `pid` or `error` is set when `is_done`."""

    def __init__(
        self,
        context: Context,
        arguments: list[str],
        fds: tuple[int, int, int],
        bell_fd: int,
        attributes: ctypes.Array[ctypes.c_char],
    ) -> None:
        self._context = context
        self.pid = 0
        self.error: OSError | None = None
        self._arguments = arguments
        self._container_fd, self._null_fd, self._output_fd = fds
        self._bell_fd = bell_fd
        self._attributes = attributes
        self._is_watched = self._is_done = False
        self._going_on = _thread.allocate_lock()
        self._going_on.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # as pthread_create(3) does, which tells by EAGAIN
            self.error = _make_error(_EAGAIN)
            self._end()

    def wait(self, timeout_s: float) -> bool:
        """Tell whether the program runs, or can't be run. If neither, the bell rings when that is known."""
        self._is_done = self._going_on.acquire(timeout=timeout_s)
        self._is_watched = not self._is_done
        return self.is_done()

    def is_done(self) -> bool:
        self._is_done = self._is_done or self._going_on.acquire(blocking=False)
        return self._is_done

    def _run(self) -> None:
        try:
            self._enter()
            self._spawn()
            if self._is_watched:  # the limits that were lent may have been taken back before
                self._correct_limits()
        except OSError as error:
            self.error = error
        finally:
            self._end()

    def _end(self) -> None:
        os.close(self._container_fd)
        os.close(self._output_fd)
        self._going_on.release()
        if self._is_watched:
            os.eventfd_write(self._bell_fd, 1)

    def _correct_limits(self) -> None:
        files = self._context.rlimits.get(_FILES)
        try:
            if files is not None:
                resource.prlimit(self.pid, _FILES, files)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended, or become another user's

    def _enter(self) -> None:
        context = self._context
        check_call(LIBC.unshare(_CLONE_FS), "directories")
        entries = [os.open(path, os.O_WRONLY | os.O_CLOEXEC) for path in context.cgroup_paths]
        context.change_namespaces(self._container_fd, INSIDE | CLONE_NEWPID)
        context.confine()
        for fd in entries:  # the rights of who opened them count
            os.write(fd, b"0")
            os.close(fd)

    def _spawn(self) -> None:
        """Start the program; OSError as posix_spawn(3), FileNotFoundError without a name when it is nowhere in the PATH."""
        actions = ctypes.create_string_buffer(_OPAQUE_BYTES)
        LIBC.posix_spawn_file_actions_init(actions)
        for fd, number in ((self._null_fd, 0), (self._output_fd, 1), (self._output_fd, 2)):
            LIBC.posix_spawn_file_actions_adddup2(actions, fd, number)
        environment = _make_array([f"{name}={value}" for name, value in self._context.environment.items()])
        pid, arguments = ctypes.c_int(), _make_array(self._arguments)
        failure = _make_error(_ENOENT)
        for path in find_programs(self._arguments[0], self._context.environment):
            number = LIBC.posix_spawn(
                ctypes.byref(pid), os.fsencode(path), actions, self._attributes, arguments, environment
            )
            if number == 0:
                self.pid = pid.value
                break
            if number not in (_ENOENT, _ENOTDIR):
                failure = _make_error(number, path)
                if number != _EACCES:
                    break
        LIBC.posix_spawn_file_actions_destroy(actions)
        if not self.pid:
            raise failure


class Launcher:
    """Makes launches for contexts that suit it."""

    def __init__(self) -> None:
        _thread.stack_size(_STACK_BYTES)
        self.bell_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._own_files = resource.getrlimit(_FILES)
        self._may_raise = bool(_read_mask("CapEff") >> _CAP_SYS_RESOURCE & 1)
        self._attributes = _make_attributes()
        self._oom_score_adj = _adopt_oom_score()

    def suits(self, context: Context) -> bool:
        """Tell whether a thread can become what the context asks for.

        It can be moved by itself between cgroups of version 1 only. It shares the OOM score and the limits of
        setrlimit(2), of which that of files can be lent for a moment. And what it calls after the seccomp filter is there
        must be known to be allowed: the filter of another's profile might end all of this process.
        """
        return (
            context.has_known_filter
            and all(path.endswith("/tasks") for path in context.cgroup_paths)
            and context.oom_score_adj == self._oom_score_adj
            and all(self._can_lend(number, limits) for number, limits in context.rlimits.items())
        )

    def launch(self, context: Context, arguments: list[str], fds: tuple[int, int, int]) -> Launch:
        """Start a program of a container with descriptors for its first process, input and output.

        The first and the last are closed when that is done. It mostly is on return; else `bell_fd` can be read when it is.
        """
        resource.setrlimit(_FILES, context.rlimits.get(_FILES, self._own_files))
        try:
            launch = Launch(context, arguments, fds, self.bell_fd, self._attributes)
            launch.wait(_PATIENCE_S)
        finally:
            resource.setrlimit(_FILES, self._own_files)
        return launch

    def _can_lend(self, number: int, limits: tuple[int, int]) -> bool:
        if number != _FILES:
            return limits == resource.getrlimit(number)
        can_return = self._may_raise or limits[1] == self._own_files[1]
        return (
            can_return and _LEAST_FILES <= limits[0] <= self._own_files[1] and limits[1] <= self._own_files[1]
        )


def _make_error(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names)


def _make_array(items: list[str]) -> ctypes.Array[Any]:
    """Return strings as C has them, with NULL at the end."""
    return (ctypes.c_char_p * (len(items) + 1))(*(os.fsencode(each) for each in items), None)


def _read_mask(name: str) -> int:
    """Return a mask of /proc/self/status."""
    status = read("/proc/self/status")
    return int(status.partition(f"{name}:".encode())[2].split()[0], 16)


def _make_attributes() -> ctypes.Array[ctypes.c_char]:
    """Return a posix_spawnattr_t: a session of its own, and no signal ignored that this process does not ignore."""
    attributes = ctypes.create_string_buffer(_OPAQUE_BYTES)
    defaults = (_LIBC_SIGNALS & ~_read_mask("SigIgn")).to_bytes(_SIGNAL_SET_BYTES, "little")
    LIBC.posix_spawnattr_init(attributes)
    LIBC.posix_spawnattr_setflags(attributes, _POSIX_SPAWN_SETSID | _POSIX_SPAWN_SETSIGDEF)
    LIBC.posix_spawnattr_setsigdefault(attributes, defaults)
    return attributes


def _adopt_oom_score() -> bytes:
    """Make this process as likely to be killed as most containers, whatever the daemon is; returns its score then."""
    if int(read(OOM_SCORE_PATH)) < 0:
        write(OOM_SCORE_PATH, b"0")
    return read(OOM_SCORE_PATH).strip()
