"""Messages to the service manager (sd_notify(3))."""

import os
import socket


class ServiceManager:
    """Tells systemd about the daemon's life; silent where no service manager listens.

    `address` is the value of NOTIFY_SOCKET, `watchdog_us` that of WATCHDOG_USEC; empty when not set.
    """

    def __init__(self, *, address: str, watchdog_us: str) -> None:
        self._address = address
        self._watchdog_us = watchdog_us

    @property
    def watchdog_interval_s(self) -> float | None:
        """Return how often `alive` has to be called: half of what the service manager allows; None if it doesn't ask."""
        if not self._address or not self._watchdog_us.isdigit():
            return None
        return int(self._watchdog_us) / 1e6 / 2

    def ready(self) -> None:
        """Tell that clients are served from now on."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that the daemon ends on purpose."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is in the abstract namespace (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            try:
                connection.sendto(message.encode(), address)
            except OSError:
                return  # the manager is gone; the daemon's work goes on without it


def find_service_manager() -> ServiceManager:
    """Return the service manager that started this process, by its environment."""
    return ServiceManager(
        address=os.environ.get("NOTIFY_SOCKET", ""), watchdog_us=os.environ.get("WATCHDOG_USEC", "")
    )
