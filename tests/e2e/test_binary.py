"""Streams carry any byte: what is sent comes back the same, standard output and error each by itself."""

import hashlib
import random
import subprocess

from tests.e2e.conftest import IMAGE
from tests.machine import DEADLINE_S, PROGRAM, Machine

_PAYLOAD = bytes(range(256)) + random.Random(7).randbytes(10_000_000)
_ERROR_BYTES = 3_000_000
_REPEATS = (
    "sh",
    "-c",
    f"cat >/in; (head -c {_ERROR_BYTES} /in; sha256sum /in | cut -c 1-64) >&2 & cat /in; wait; exit 7",
)
"""Tells what was put in on its output, and of that a part and the checksum on its error, both at the same time."""


def _tell_faults(machine: Machine, *words: str) -> list[str]:
    """Return what of a conversation by a command was not as it should be."""
    answer = subprocess.run(
        [PROGRAM, *words],
        env=machine.environment,
        input=_PAYLOAD,
        capture_output=True,
        check=False,
        timeout=2 * DEADLINE_S,
    )
    digest = hashlib.sha256(_PAYLOAD).hexdigest().encode()
    wanted = {"output": _PAYLOAD, "error": _PAYLOAD[:_ERROR_BYTES] + digest + b"\n", "code": 7}
    found = {"output": answer.stdout, "error": answer.stderr, "code": answer.returncode}
    return [
        f"{words[0]}: {name} is not as sent: {str(found[name])[-200:]}"
        for name in wanted
        if found[name] != wanted[name]
    ]


def test_streams_carry_any_byte(machine: Machine) -> None:
    assert _tell_faults(machine, "run", "-i", "--rm", IMAGE, *_REPEATS) == []
    machine.succeed("create", "-i", "--name", "begun", IMAGE, *_REPEATS)
    assert _tell_faults(machine, "start", "-ai", "begun") == []
    machine.succeed("run", "-di", "--name", "entered", "--log-driver", "none", IMAGE, *_REPEATS)
    assert _tell_faults(machine, "exec", "-i", "entered", *_REPEATS) == []
    assert _tell_faults(machine, "attach", "entered") == []
    machine.succeed("rm", "begun", "entered")


def test_who_hears_enough_lets_the_rest_go(machine: Machine) -> None:
    """A program that ends before its input does, and a reader that goes before the output does."""
    machine.succeed("run", "-d", "--name", "short", IMAGE, "sleep", "1000")
    for words in (("run", "-i", "--rm", IMAGE), ("exec", "-i", "short")):
        answer = subprocess.run(
            [PROGRAM, *words, "head", "-c", "256"],
            env=machine.environment,
            input=_PAYLOAD,
            capture_output=True,
            check=False,
            timeout=2 * DEADLINE_S,
        )
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, _PAYLOAD[:256], b""), words
    line = f"{PROGRAM} exec short cat /dev/zero | head -c 100000 | wc -c"
    heard = subprocess.run(
        ["sh", "-c", line],
        env=machine.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert (heard.stdout.strip(), heard.stderr) == ("100000", "")
    machine.succeed("rm", "-f", "short")
