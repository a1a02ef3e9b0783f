"""The shipped unit under a real systemd: readiness, restart, stop, a daemon that hangs; containers go on through all."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.service_host import ServiceHost, booted_service_host
from tests.machine import wait_for

IMAGE = "box:1"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceHost]:
    """A host on which `systemctl start hold` was just run, with a container that runs."""
    if os.environ.get("HOLD_TEST_HOST") != "1":
        pytest.skip("needs a test host")
    with booted_service_host(tmp_path_factory.mktemp("service")) as host:
        host.systemctl("start", "hold")
        # Nothing is waited for: that the daemon serves is what systemd waited for.
        host.succeed("version")
        host.import_image(IMAGE)
        host.succeed("run", "-d", "--name", "web", IMAGE, "sleep", "1000")
        yield host


def read_life(host: ServiceHost) -> tuple[int, str]:
    """Return the container's pid and when its process began, in ticks of the kernel's."""
    pid = host.read_pid("web")
    stat = host.run_inside("cat", f"/proc/{pid}/stat")
    return pid, stat.rpartition(")")[2].split()[19]


def read_main_pid(host: ServiceHost) -> int:
    return int(host.systemctl("show", "--property=MainPID", "--value", "hold"))


def test_a_restart_leaves_containers_alone(service: ServiceHost) -> None:
    life, daemon = read_life(service), read_main_pid(service)
    service.systemctl("restart", "hold")
    assert read_life(service) == life
    assert read_main_pid(service) != daemon


def test_containers_outlive_a_stop(service: ServiceHost) -> None:
    life = read_life(service)
    service.systemctl("stop", "hold")
    assert service.hold("version").returncode != 0
    service.run_inside("kill", "-0", str(life[0]))
    service.systemctl("start", "hold")
    assert read_life(service) == life


@pytest.mark.parametrize("signal_name", ["KILL", "STOP"])
def test_a_daemon_that_died_or_hangs_is_replaced(service: ServiceHost, signal_name: str) -> None:
    life, daemon = read_life(service), read_main_pid(service)
    service.run_inside("kill", f"-{signal_name}", str(daemon))
    wait_for(lambda: read_main_pid(service) not in (0, daemon), "another daemon")
    wait_for(service.answers, "its answer")
    assert read_life(service) == life


def test_the_daemon_tells_systemd_that_it_lives(service: ServiceHost) -> None:
    def read_told_at() -> str:
        return service.systemctl("show", "--property=WatchdogTimestampMonotonic", "--value", "hold")

    before = read_told_at()
    wait_for(lambda: read_told_at() != before, "the next word")
    assert service.systemctl("is-active", "hold") == "active"
