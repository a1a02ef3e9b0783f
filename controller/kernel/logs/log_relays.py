"""Relays of containers' output, as the daemon sees them; what they do is told in `log_relay_main`.

A relay lies in its container's bundle: its order, two fifos, and the pids of its two processes.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from controller.kernel.processes import ending
from controller.kernel.processes.bundles import Bundle
from controller.kernel.processes.conmon import find_last_resort_bytes
from controller.kernel.subprocesses import Runner, wait_readable
from controller.model.logs import LogDriver
from controller.model.wants import ProcessWant
from controller.plan.logs import (
    LogDefaults,
    SettledLog,
    choose_details,
    merge_settings,
    render_journal_fields,
)

_MODULE = "controller.kernel.logs.log_relay_main"
_BUFFER_BYTES = 1 << 20
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOrder:
    """What a relay does; `fields` mark the entries of the journal, which is written to when there are any.

    A file that has `most_bytes` is started afresh.
    """

    fields: dict[str, str]
    path: str
    most_bytes: int
    buffer_bytes: int
    drops: bool


def choose_relay(
    want: ProcessWant, log: SettledLog, defaults: LogDefaults, log_path: Path
) -> RelayOrder | None:
    """Return the relay that a container's output needs; None where conmon alone does what is asked."""
    fields: dict[str, str] = {}
    if log.driver is LogDriver.JOURNALD:
        details = choose_details(
            merge_settings(want.log.settings, defaults),
            tag="",
            labels=dict(want.log.labels),
            environment=dict(want.log.environment),
        )
        fields = render_journal_fields(
            details, uid=want.uid, name=want.name, image=want.log.image, tag=log.tag
        )
        if not details and not log.buffer_bytes:
            return None
    elif log.driver is LogDriver.NONE or not log.buffer_bytes:
        return None
    return RelayOrder(
        fields=fields,
        path=str(log_path),
        most_bytes=find_last_resort_bytes(log),
        buffer_bytes=log.buffer_bytes or _BUFFER_BYTES,
        drops=log.buffer_bytes > 0,
    )


def write_order(bundle: Bundle, order: RelayOrder) -> None:
    """Make what a relay needs in the bundle."""
    for path in (bundle.relay_path, bundle.relay_control_path):
        os.mkfifo(path, 0o600)
    text = {
        "journal": bool(order.fields),
        "fields": order.fields,
        "path": order.path,
        "most_bytes": order.most_bytes,
        "buffer_bytes": order.buffer_bytes,
        "drops": order.drops,
    }
    (bundle.path / "relay.json").write_text(json.dumps(text))


async def start_relay(runner: Runner, bundle: Bundle) -> None:
    """Start the relay that has been ordered; it reads when this returns. Refused with its words when it can't."""
    await runner.run(sys.executable, "-I", "-m", _MODULE, str(bundle.path))


async def settle_relay(bundle: Bundle) -> None:
    """Wait until the relay of a process that has ended has passed on the last line; not for ever."""
    if bundle.read_exit()[0] is None and bundle.read_conmon_pid():
        return
    pidfds = _open_pidfds(bundle)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            for pidfd in pidfds:
                await wait_readable(pidfd)
    except TimeoutError:
        return
    finally:
        for pidfd in pidfds:
            os.close(pidfd)


async def end_relay(bundle: Bundle) -> None:
    """End a relay whose container goes: it may finish first, but what takes the output in may be stuck."""
    if not (bundle.path / "relay.json").exists():
        return
    await settle_relay(bundle)
    for pidfd in _open_pidfds(bundle):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        await ending.wait_for_end(pidfd)


def _open_pidfds(bundle: Bundle) -> list[int]:
    """Return descriptors of the relay's processes that live, the watcher's first."""
    try:
        pids = [int(word) for word in (bundle.path / "relay.pids").read_text().split()]
    except (FileNotFoundError, ValueError):
        return []
    found = (ending.open_pidfd(pid, lambda pid: _is_relay(pid, bundle)) for pid in pids)
    return [pidfd for pidfd in found if pidfd is not None]


def _is_relay(pid: int, bundle: Bundle) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return _MODULE.encode() in words and os.fsencode(bundle.path) in words
