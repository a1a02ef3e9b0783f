"""The systemd unit keeps the promises that the daemon can't keep alone."""

import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY_PATH = Path(__file__).parents[2]
UNIT_PATH = REPOSITORY_PATH / "controller/packaging/hold.service"


def read_unit() -> dict[str, str]:
    lines = [line.partition("=") for line in UNIT_PATH.read_text().splitlines() if not line.startswith("#")]
    return {name: value for name, equals, value in lines if equals}


def test_a_stop_leaves_containers_running() -> None:
    unit = read_unit()
    assert unit["KillMode"] == "process"
    assert unit["RuntimeDirectoryPreserve"] == "yes"
    assert unit["Delegate"] == "yes"


def test_a_daemon_that_ends_or_hangs_is_started_again() -> None:
    unit = read_unit()
    assert unit["Restart"] == "always"
    assert unit["StartLimitIntervalSec"] == "0"
    assert int(unit["WatchdogSec"]) > 0


def test_readiness_is_told_by_the_daemon() -> None:
    unit = read_unit()
    assert unit["Type"] == "notify"
    assert unit["ExecStart"].endswith("hold daemon")


def test_the_wheel_holds_all_that_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY_PATH, check=True, capture_output=True)
    (wheel_path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel_path) as wheel:
        packed = {name for name in wheel.namelist() if not name.startswith("hold-")}
        entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        assert "hold = controller.__main__:main" in wheel.read(entry_points).decode()
    there = {
        str(path.relative_to(REPOSITORY_PATH))
        for folder in ("controller", "migrations")
        for path in (REPOSITORY_PATH / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there
