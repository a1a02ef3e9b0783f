"""The client's end of a conversation, on a real pseudo-terminal."""

import os
import pty
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from controller.api.v1 import container_pb2
from controller.cli.terminal import Conversation, Detached
from controller.cli.transport import Call

pytestmark = pytest.mark.timeout(30)


@dataclass(slots=True)
class PlayedCall:
    """A call whose answers the test has written down; a pipe wakes the conversation up."""

    answers: list[container_pb2.RunResponse]
    wake: tuple[int, int] = field(default_factory=os.pipe)
    sent: list[container_pb2.Input] = field(default_factory=list)
    ended: bool = False
    cancelled: bool = False
    answers_when_sent: bool = False
    has_news: bool = False

    def fileno(self) -> int:
        return self.wake[0]

    def ring(self) -> None:
        os.write(self.wake[1], b"x")

    def poll(self) -> list[container_pb2.RunResponse]:
        if not self.has_news:
            os.read(self.wake[0], 1)
        return self.answers

    def send(self, message: container_pb2.Input) -> None:
        self.sent.append(message)
        self.has_news = self.answers_when_sent

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Return both ends of a terminal: where a person types, and what is our standard input."""
    person_fd, program_fd = pty.openpty()
    with os.fdopen(program_fd, "rb", buffering=0) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield person_fd, program_fd
    os.close(person_fd)


def _converse(call: PlayedCall) -> Conversation:
    return Conversation(call=cast("Call[Any]", call), wrap=lambda message: message, stdin=True, raw=True)


def _is_raw(fd: int) -> bool:
    return not termios.tcgetattr(fd)[3] & (termios.ICANON | termios.ECHO)


@pytest.mark.parametrize("pieces", [(b"ab\x10\x11cd",), (b"ab\x10", b"\x11")], ids=["at once", "in pieces"])
def test_the_detach_keys_leave_and_the_terminal_is_as_before(
    keyboard: tuple[int, int], pieces: tuple[bytes, ...]
) -> None:
    person_fd, program_fd = keyboard
    call = PlayedCall(answers=[])
    conversation = _converse(call)
    termios.tcsetattr(program_fd, termios.TCSANOW, _raw(termios.tcgetattr(program_fd)))
    before = termios.tcgetattr(program_fd)
    for piece in pieces:
        os.write(person_fd, piece)
    with pytest.raises(Detached):
        conversation.run()
    assert b"".join(message.data for message in call.sent) == b"ab"
    assert call.cancelled
    assert termios.tcgetattr(program_fd) == before


def test_an_end_that_comes_while_input_is_sent_is_seen(keyboard: tuple[int, int]) -> None:
    person_fd, program_fd = keyboard
    termios.tcsetattr(program_fd, termios.TCSANOW, _raw(termios.tcgetattr(program_fd)))
    answers = [container_pb2.RunResponse(exit=container_pb2.Exit(code=3))]
    call = PlayedCall(answers=answers, answers_when_sent=True)
    conversation = _converse(call)
    os.write(person_fd, b"more than it wants")
    assert conversation.run().code == 3


def test_keys_of_ones_own_leave_with_a_word(
    keyboard: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    person_fd, program_fd = keyboard
    termios.tcsetattr(program_fd, termios.TCSANOW, _raw(termios.tcgetattr(program_fd)))
    call = PlayedCall(answers=[])
    conversation = _converse(call)
    conversation.detach_keys = b"\x18y"
    os.write(person_fd, b"\x10\x11\x18\x18y")
    assert conversation.run_to_exit() == 0
    assert b"".join(message.data for message in call.sent) == b"\x10\x11\x18"
    assert "what runs goes on" in capsys.readouterr().err


def _raw(attributes: list[Any]) -> list[Any]:
    """Return the attributes of a terminal that passes on what is typed before the conversation begins."""
    changed = list(attributes)
    changed[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    changed[0] &= ~termios.IXON
    return changed


def test_half_of_the_detach_keys_is_passed_on(keyboard: tuple[int, int]) -> None:
    person_fd, program_fd = keyboard
    termios.tcsetattr(program_fd, termios.TCSANOW, _raw(termios.tcgetattr(program_fd)))
    call = PlayedCall(answers=[])
    conversation = _converse(call)
    os.write(person_fd, b"\x10x\x10\x11")
    with pytest.raises(Detached):
        conversation.run()
    assert b"".join(message.data for message in call.sent) == b"\x10x"


def test_output_and_exit_code(keyboard: tuple[int, int], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _, program_fd = keyboard
    output = container_pb2.Output(stream="stdout", data=b"\x00\xff\n")
    error = container_pb2.Output(stream="stderr", data=b"oh\n")
    call = PlayedCall(
        answers=[
            container_pb2.RunResponse(output=output),
            container_pb2.RunResponse(output=error),
            container_pb2.RunResponse(exit=container_pb2.Exit(code=3)),
        ]
    )
    call.ring()
    assert not _is_raw(program_fd)
    assert _converse(call).run().code == 3
    assert not _is_raw(program_fd)
    assert capfdbinary.readouterr() == (b"\x00\xff\n", b"oh\n")
