"""A person at a terminal: size, keys, several who look on, leaving, the end."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import DEADLINE_S, PROGRAM, Machine, NotInTime

LEAVE = "\x10\x11"
INTERRUPT = "\x03"
PROMPT = "# "


class Terminal:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, machine: Machine, *words: str, rows: int, columns: int) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execve(PROGRAM, [PROGRAM, *words], machine.environment)  # noqa: S606 - no shell is wanted
        self._shown = b""
        self.resize(rows, columns)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def await_text(self, text: str) -> None:
        """Read until a text is shown; what comes after it is kept. NotInTime tells what was shown."""
        until = time.monotonic() + DEADLINE_S
        while text.encode() not in self._shown:
            piece = self._read(until - time.monotonic())
            if not piece:
                raise NotInTime(f"{text!r} was not shown, but {self._shown!r}")
            self._shown += piece
        self._shown = self._shown.partition(text.encode())[2]

    def _read(self, most_s: float) -> bytes:
        if not select.select([self._fd], [], [], max(0.0, most_s))[0]:
            return b""
        try:
            return os.read(self._fd, 1 << 16)
        except OSError:  # the other side has gone
            return b""

    def send(self, number: int) -> None:
        """Send the command a signal."""
        os.kill(self._pid, number)

    def await_end(self) -> int:
        """Return the command's exit code."""
        while self._read(DEADLINE_S):
            continue
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(machine: Machine) -> Iterator[Open]:
    """Opens terminals of 30 rows and 100 columns."""
    yield lambda *words: Terminal(machine, *words, rows=30, columns=100)
    machine.hold("rm", "-f", "desk")


def test_several_people_share_a_terminal(machine: Machine, open_terminal: Open) -> None:
    first = open_terminal("run", "-it", "--name", "desk", IMAGE, "sh")
    first.await_text(PROMPT)
    first.type("stty size\n")
    first.await_text("30 100")
    first.resize(40, 120)
    first.type("until stty size | grep '40 120'; do :; done\n")
    first.await_text("40 120\r\n")
    others = [open_terminal("attach", "desk") for _ in range(2)]
    for number, other in enumerate(others):
        other.type(f"echo 'from '{number}\n")
        for each in (first, *others[: number + 1]):
            each.await_text(f"from {number}")
    first.type("sh -c 'echo as''leep; exec sleep 1000'\n")
    first.await_text("asleep\r\n")
    first.type(INTERRUPT)
    first.await_text(PROMPT)
    others[0].type(LEAVE)
    assert others[0].await_end() == 0
    first.type("exit 7\n")
    assert (first.await_end(), others[1].await_end()) == (7, 7)
    assert machine.read_status("desk")["exitCode"] == 7


def test_who_left_can_come_back(machine: Machine, open_terminal: Open) -> None:
    first = open_terminal("run", "-it", "--name", "desk", IMAGE, "sh")
    first.await_text(PROMPT)
    first.type(LEAVE)
    assert first.await_end() == 0
    inside = open_terminal("exec", "-it", "desk", "sh")
    inside.await_text(PROMPT)
    inside.type("stty size; exit 5\n")
    inside.await_text("30 100")
    assert inside.await_end() == 5
    again = open_terminal("attach", "desk")
    again.type("echo 'here 'again\n")
    again.await_text("here again")
    again.type("exit\n")
    assert again.await_end() == 0
    assert machine.read_status("desk")["phase"] == "Exited"


def test_a_daemon_that_is_killed_leaves_the_process_at_its_terminal(
    machine: Machine, open_terminal: Open
) -> None:
    first = open_terminal("run", "-it=true", "--name", "desk", IMAGE, "sh")
    first.await_text(PROMPT)
    first.type("here=stays\n")
    first.await_text(PROMPT)
    pid = machine.read_pid("desk")
    machine.kill_daemon()
    first.await_text("what runs goes on")
    assert first.await_end() == 125
    machine.start_daemon()
    again = open_terminal("attach", "--detach-keys", "ctrl-a,d", "desk")
    again.type("echo it $here\n")
    again.await_text("it stays\r\n")
    again.type("\x01d")
    assert again.await_end() == 0
    assert machine.read_pid("desk") == pid


@pytest.mark.parametrize(
    ("words", "code"), [((IMAGE, "nosuch"), 127), ((IMAGE, "/etc/passwd"), 126), (("--bogus", IMAGE), 125)]
)
def test_what_cannot_be_run_has_dockers_codes_at_a_terminal(
    open_terminal: Open, words: tuple[str, ...], code: int
) -> None:
    assert open_terminal("run", "-it", "--rm", "--network", "none", *words).await_end() == code


def test_signals_reach_the_process(machine: Machine, open_terminal: Open) -> None:
    script = "trap 'echo int' INT; trap 'echo term; exit 9' TERM; while :; do echo tick; sleep 0.05; done"
    plain = open_terminal("run", "--name", "desk", "--network", "none", IMAGE, "sh", "-c", script)
    plain.await_text("tick")
    plain.type(INTERRUPT)
    plain.await_text("int")
    onlooker = open_terminal("attach", "--sig-proxy=false", "desk")
    onlooker.await_text("tick")
    plain.type(INTERRUPT)
    onlooker.await_text("int")
    onlooker.send(signal.SIGKILL)
    assert onlooker.await_end() == -signal.SIGKILL
    plain.send(signal.SIGTERM)
    plain.await_text("term")
    assert plain.await_end() == 9
    assert machine.read_status("desk")["exitCode"] == 9


def test_what_is_piped_in_arrives_to_its_last_byte(machine: Machine) -> None:
    text = "a line of text\n" * 200_000
    counted = machine.hold("run", "-i", "--rm", IMAGE, "wc", "-c", stdin=text)
    assert (counted.returncode, counted.stdout.strip()) == (0, str(len(text)))
