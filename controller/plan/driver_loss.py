"""Objects of plugins that are gone for good: deleted without them when somebody says so."""

from dataclasses import dataclass

from controller.model.changes import EventType
from controller.model.network import NetworkAssigned
from controller.model.resource import Condition, Status
from controller.model.volume import VolumeAssigned
from controller.plan.base import Note
from controller.plan.conditions import Reason, has_reason, make_condition


def goes_without(assigned: VolumeAssigned | NetworkAssigned | None, status: Status, *, fault: str) -> bool:
    """Tell whether an object that is on its way out goes without its plugin.

    That is when it was told to, and the plugin can't be asked (`fault` says why) or has just failed to remove it.
    """
    told = assigned is not None and assigned.driver_forgotten
    failed = has_reason(status, "Ready", Reason.NOT_DELETED) or has_reason(
        status, "Ready", Reason.DRIVER_FORGOTTEN
    )
    return told and (bool(fault) or failed)


def describe_leftover(driver: str, noun: str, fault: str) -> str:
    """Return the warning for whoever has it deleted without its plugin."""
    why = f" ({fault})" if fault else ""
    return f"the {noun} went without plugin {driver}{why}: what that keeps of it stays there"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The last that is told of an object."""

    ready: Condition
    notes: tuple[Note, ...] = ()


def tell_end(leftover: str, *, is_gone: bool) -> End:
    """Return the condition of an object that is on its way out, and once it is gone the event about what it leaves."""
    if not leftover:
        return End(ready=make_condition("Ready", Reason.DELETED, holds=False))
    ready = make_condition("Ready", Reason.DRIVER_FORGOTTEN, leftover, holds=False)
    note = Note(type=EventType.WARNING, reason=Reason.DRIVER_FORGOTTEN, message=leftover)
    return End(ready=ready, notes=(note,) if is_gone else ())
