"""What loops and API need from the outside, as contracts.

Unless a method says otherwise: it may be called again after success or after any failure and comes to the same end
(`ensure_`, `delete`); different uids may be used at the same time, calls for one uid come one after another; deleting
what is missing succeeds; facts of others' objects are never returned, and others' objects never changed.
Adapters raise only errors of `controller.errors`. Nothing blocks the event loop.
"""

from controller.ports.clock import Clock
from controller.ports.host import (
    Diagnostics,
    Forecaster,
    Hint,
    HintType,
    HostView,
    KernelEvents,
    Sources,
    SourceStatus,
)
from controller.ports.kernel import KernelPorts
from controller.ports.network import Attachments, Bridges, Firewall, NameServer, Namespaces, Parents
from controller.ports.probes import Probes
from controller.ports.processes import Freezer, Limits, Processes, Roots, Texts
from controller.ports.registry import Pulls, PushSource, Registries, SearchResult
from controller.ports.sessions import ExecWant, Gate, LogLine, Session, Sessions, Stream
from controller.ports.state import Admission, Committed, DesiredState, EventFeed, StateStore
from controller.ports.storage import (
    Following,
    Images,
    Unpacked,
    Unpacker,
    Unpacking,
    VolumeContents,
    VolumeDirectories,
)

__all__ = [
    "Admission",
    "Attachments",
    "Bridges",
    "Clock",
    "Committed",
    "DesiredState",
    "Diagnostics",
    "EventFeed",
    "ExecWant",
    "Firewall",
    "Following",
    "Forecaster",
    "Freezer",
    "Gate",
    "Hint",
    "HintType",
    "HostView",
    "Images",
    "KernelEvents",
    "KernelPorts",
    "Limits",
    "LogLine",
    "NameServer",
    "Namespaces",
    "Parents",
    "Probes",
    "Processes",
    "Pulls",
    "PushSource",
    "Registries",
    "Roots",
    "SearchResult",
    "Session",
    "Sessions",
    "SourceStatus",
    "Sources",
    "StateStore",
    "Stream",
    "Texts",
    "Unpacked",
    "Unpacker",
    "Unpacking",
    "VolumeContents",
    "VolumeDirectories",
]
