"""How pieces of logs are printed."""

import time

import pytest

from controller.api.v1 import container_pb2
from controller.cli.client import Failure
from controller.cli.logs import Printer, parse_moment


def _piece(data: bytes, stream: str = "stdout", **details: str) -> container_pb2.LogsResponse:
    piece = container_pb2.LogsResponse(data=data, stream=stream, details=details)
    piece.at.FromSeconds(0)
    return piece


def test_streams_stay_apart(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    printer = Printer(timestamps=False)
    printer.print(_piece(b"a\xff\nb\n"))
    printer.print(_piece(b"c", "stderr"))
    assert tuple(capfdbinary.readouterr()) == (b"a\xff\nb\n", b"c")


def test_each_line_has_its_time_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    printer = Printer(timestamps=True)
    for data in (b"a\nb\n", b"c", b"d", b"e\n", b"\n", b"f\ng"):
        printer.print(_piece(data))
    at = b"1970-01-01T00:00:00Z"
    lines = [at + b" " + text for text in (b"a", b"b", b"cde", b"", b"f")]
    assert capfdbinary.readouterr().out.splitlines()[:5] == lines


def test_details_come_before_the_line_in_order(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Printer(timestamps=True).print(_piece(b"x\n", b="2", a="1"))
    Printer(timestamps=False).print(_piece(b"x\n", a="1"))
    assert capfdbinary.readouterr().out == b"1970-01-01T00:00:00Z a=1,b=2 x\na=1 x\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1767225600", 1767225600), ("1767225600.5", 1767225600.5), ("2026-01-01", 1767225600),
     ("2026-01-01T00:00:01Z", 1767225601), ("2026-01-01T01:00:00+01:00", 1767225600)],
)  # fmt: skip
def test_moments_as_docker_takes_them(text: str, seconds: float) -> None:
    assert parse_moment(text).timestamp() == seconds


def test_moments_that_are_some_time_ago() -> None:
    ago_s = time.time() - parse_moment("1h30m").timestamp()
    assert 5390 < ago_s < 5460
    for text in ("yesterday", "9" * 40, "10x"):
        with pytest.raises(Failure, match="is not a time"):
            parse_moment(text)
