"""Half of the command lines that are compared with Docker, in a host of their own."""

import os
import shutil
import subprocess
import sys

import pytest

_PROGRAM = (sys.executable, "-m", "tests.compare.lines", "--half")
_DEADLINE_S = 1200


@pytest.mark.timeout(_DEADLINE_S)
def test_lines_end_as_with_docker() -> None:
    if shutil.which("dockerd") is None:
        if os.environ.get("HOLD_REQUIRE_KERNEL") == "1":
            pytest.fail("dockerd is missing: apt install docker.io")
        pytest.skip("dockerd is missing: apt install docker.io")
    host = (sys.executable, "-m", "tests.testhost", "--")
    answer = subprocess.run([*host, *_PROGRAM], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{answer.stdout}{answer.stderr[-4000:]}"
