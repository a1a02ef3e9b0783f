"""The systemd unit keeps the promises that the daemon can't keep alone."""

from pathlib import Path

UNIT_PATH = Path(__file__).parents[2] / "controller/packaging/hold.service"


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
