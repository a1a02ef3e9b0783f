"""Messages to the service manager."""

import socket
from pathlib import Path

from controller.kernel.notify import ServiceManager


def test_ready_and_alive_reach_the_socket(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(20)
        manager = ServiceManager(address=address, watchdog_us="30000000")
        manager.ready()
        manager.alive()
        manager.stopping()
        assert [listener.recv(64) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    assert manager.watchdog_interval_s == 15.0


def test_abstract_addresses_are_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0hold-test-notify")
        listener.settimeout(20)
        ServiceManager(address="@hold-test-notify", watchdog_us="").ready()
        assert listener.recv(64) == b"READY=1"


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    silent = ServiceManager(address="", watchdog_us="")
    silent.ready()
    assert silent.watchdog_interval_s is None
    ServiceManager(address=str(tmp_path / "gone"), watchdog_us="").ready()
