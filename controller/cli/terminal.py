"""The client's end of an interactive call: keyboard, screen, signals."""

import argparse
import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from controller.api.v1 import container_pb2
from controller.cli.transport import Call

_READ_BYTES = 1 << 16
_PROXIED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Detached(Exception):
    """The user typed the detach keys."""


def _ignore(_: object) -> None:
    """Hear nothing."""


@dataclass(slots=True, kw_only=True)
class Conversation:
    """Carries an interactive call until its exit.

    `wrap` makes a request of the call out of an Input. With `stdin` the client's standard input is sent; with `raw`
    the terminal passes every key on and tells its size, and `detach_keys` leave the process to itself. Of the
    output the streams `shown` are; `hear` gets every answer that is neither output nor the end.
    """

    call: Call[Any]
    wrap: Callable[[container_pb2.Input], Any]
    stdin: bool
    raw: bool
    detach_keys: bytes = b"\x10\x11"
    proxy_signals: bool = True
    shown: Container[str] = frozenset(("stdout", "stderr"))
    hear: Callable[[Any], None] = _ignore
    _held: bytes = b""
    _wake: tuple[int, int] = field(default_factory=os.pipe)

    def run(self) -> container_pb2.Exit:
        """Return how it ended; Detached when the user leaves."""
        with self._signals(), self._raw_terminal():
            if self.raw:
                self._send_size()
            inputs = [sys.stdin.fileno()] if self.stdin else []
            while True:
                watched = [self.call.fileno(), self._wake[0], *inputs]
                ready, _, _ = select.select(watched, [], [], 0 if self.call.has_news else None)
                if self._wake[0] in ready:
                    self._pass_signals()
                if inputs and inputs[0] in ready and not self._send_input():
                    inputs = []
                if self.call.has_news or self.call.fileno() in ready:
                    ended = self._take_answers()
                    if ended is not None:
                        return ended

    def run_to_exit(self, *, refused_code: int | None = None) -> int:
        """Return the exit code, 0 when the user leaves; tells why a program could not run: `refused_code` then."""
        try:
            ended = self.run()
        except Detached:
            print("\nhold: left; what runs goes on", file=sys.stderr)
            return 0
        code = report_exit(ended)
        return refused_code if ended.error and refused_code is not None else code

    def _take_answers(self) -> container_pb2.Exit | None:
        for answer in self.call.poll():
            if answer.HasField("exit"):
                found: container_pb2.Exit = answer.exit
                return found
            if not answer.HasField("output"):
                self.hear(answer)
            elif answer.output.stream in self.shown:
                _write(answer.output)
        if self.call.ended:
            self.call.check()
            return container_pb2.Exit()
        return None

    def _send(self, message: container_pb2.Input) -> None:
        self.call.send(self.wrap(message))

    def _send_input(self) -> bool:
        """Send what was typed; False at the end of the input."""
        data = os.read(sys.stdin.fileno(), _READ_BYTES)
        if not data:
            self._send(container_pb2.Input(end=True))
            return False
        if self.raw:
            data = self._hold_back(data)
        if data:
            self._send(container_pb2.Input(data=data))
        return True

    def _hold_back(self, data: bytes) -> bytes:
        """Return what to pass on: all but what may be the beginning of the detach keys; Detached when they are whole."""
        typed = self._held + data
        keys = self.detach_keys
        before, found, _ = typed.partition(keys)
        if found:
            if before:
                self._send(container_pb2.Input(data=before))
            self.call.cancel()
            raise Detached
        kept = next((n for n in range(len(keys) - 1, 0, -1) if typed.endswith(keys[:n])), 0)
        self._held = typed[len(typed) - kept :]
        return typed[: len(typed) - kept]

    def _send_size(self) -> None:
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(sys.stdin.fileno())
            self._send(
                container_pb2.Input(resize=container_pb2.WindowSize(rows=size.lines, columns=size.columns))
            )

    def _pass_signals(self) -> None:
        for number in os.read(self._wake[0], 64):
            if number == signal.SIGWINCH:
                self._send_size()
            else:
                self._send(container_pb2.Input(signal=signal.Signals(number).name))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def note(number: int, _: FrameType | None) -> None:
            os.write(self._wake[1], bytes([number]))

        numbers = [*(_PROXIED if self.proxy_signals else ()), *((signal.SIGWINCH,) if self.raw else ())]
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _raw_terminal(self) -> Iterator[None]:
        if not self.raw:
            yield
            return
        keyboard = sys.stdin.fileno()
        before = termios.tcgetattr(keyboard)
        tty.setraw(keyboard, termios.TCSADRAIN)  # what was typed ahead is kept
        try:
            yield
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def report_exit(ended: container_pb2.Exit) -> int:
    """Print why a program could not run; return the exit code."""
    if ended.error:
        print(f"hold: {ended.error}", file=sys.stderr)
    return ended.code


def add_sig_proxy_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--sig-proxy`."""
    parser.add_argument(
        "--sig-proxy",
        action="store_true",
        default=True,
        help="Pass signals on to the process; =false does not.",
    )


def _write(output: container_pb2.Output) -> None:
    stream = sys.stderr if output.stream == "stderr" else sys.stdout
    stream.buffer.write(output.data)
    stream.buffer.flush()
