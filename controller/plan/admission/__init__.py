"""What a batch comes to, decided whole before anything is written: the gate in front of the store.

Pure: `decide_apply`, `decide_delete` and `decide_rollback` turn a snapshot and a wish into writes and outcomes, or
raise one error that reports everything wrong by field.
"""

from controller.plan.admission.anonymous import list_anonymous_volumes
from controller.plan.admission.apply import decide_apply
from controller.plan.admission.batch import (
    CLI_MANAGER,
    AdmissionContext,
    ApplyBatch,
    HostNeed,
    Rollback,
    derive_host_need,
)
from controller.plan.admission.delete import check_idle, decide_delete, forget_drivers
from controller.plan.admission.intents import DEFAULT_NETWORK
from controller.plan.admission.rollback import decide_rollback

__all__ = [
    "CLI_MANAGER",
    "DEFAULT_NETWORK",
    "AdmissionContext",
    "ApplyBatch",
    "HostNeed",
    "Rollback",
    "check_idle",
    "decide_apply",
    "decide_delete",
    "decide_rollback",
    "derive_host_need",
    "forget_drivers",
    "list_anonymous_volumes",
]
