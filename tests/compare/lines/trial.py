"""One engine, and what comes of each line there."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.bench.engines import Engine
from tests.compare.lines.lines import Line
from tests.compare.lines.shapes import find_shape

_DEADLINE_S = 120
_WORKERS = 3
_SHIM = """#!/bin/sh
{command} "$@"
code=$?
echo $code >>"$CODES"
exit $code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a line: the exit code of each command, what was printed, and what was complained of."""

    codes: tuple[str, ...]
    printed: tuple[str, ...]
    told: str

    def is_like(self, other: "Outcome") -> bool:
        """Tell whether another engine did the same; the words of complaints are each engine's own."""
        return (self.codes, self.printed) == (other.codes, other.printed)


class Trial:
    """An engine with a directory to work in."""

    def __init__(self, engine: Engine, work_path: Path, *, prefix: str) -> None:
        self._engine = engine
        self._work_path = work_path
        self._prefix = prefix
        self._bin_path = work_path / "bin"

    def try_all(self, lines: Sequence[Line]) -> Mapping[str, Outcome]:
        """Return the outcome of each line by name, several lines at a time."""
        self._bin_path.mkdir(parents=True)
        shim_path = self._bin_path / "docker"
        shim_path.write_text(_SHIM.format(command=shlex.join(self._engine.command)))
        shim_path.chmod(0o755)
        with ThreadPoolExecutor(_WORKERS) as pool:
            return dict(zip([line.name for line in lines], pool.map(self._try, lines), strict=True))

    def _try(self, line: Line) -> Outcome:
        directory = self._work_path / line.name
        directory.mkdir()
        codes_path = self._work_path / f"{line.name}.codes"
        codes_path.touch()
        environment = {
            **os.environ,
            **self._engine.environment,
            "PATH": f"{self._bin_path}:{os.environ['PATH']}",
            "CODES": str(codes_path),
            "n": line.name,
            "p": self._prefix,
        }
        try:
            answer = subprocess.run(
                ["sh", "-c", line.script],
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(codes=("not in time",), printed=(), told="")
        return Outcome(
            codes=(*codes_path.read_text().split(), f"= {answer.returncode}"),
            printed=find_shape(answer.stdout.decode(errors="replace").replace(str(directory), "DIRECTORY")),
            told=answer.stderr.decode(errors="replace").strip(),
        )
