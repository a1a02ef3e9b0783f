"""Which users of the host stand for those of a container: a range that no other container has."""

from controller.errors import Exhausted
from controller.model.container import Container, ContainerAssigned, ContainerSpec
from controller.model.ids import Uid
from controller.plan.admission.findings import Findings
from controller.plan.admission.intents import Intent
from controller.plan.admission.references import World
from controller.plan.oci.namespaces import ID_COUNT

FIRST_ID = 0x4000_0000
RANGES = 16384
"""Ranges end below 2^31, beyond which some programs read negative numbers."""


class IdentityAssigner:
    """Gives each container of a batch that wants users of its own a range; it stays for the container's life."""

    def __init__(self, world: World, findings: Findings) -> None:
        self._findings = findings
        self._world = world
        self._taken: set[int] | None = None

    def choose(self, intent: Intent, spec: ContainerSpec, previous: ContainerAssigned) -> int:
        """Return the first number of the range; 0 for a container with the host's users."""
        if spec.user_namespace == "host":
            return 0
        if previous.id_base:
            return previous.id_base
        taken = self._list_taken()
        for number in range(RANGES):
            base = FIRST_ID + (_hash(intent.uid) + number) % RANGES * ID_COUNT
            if base not in taken:
                taken.add(base)
                return base
        message = f"all {RANGES} ranges of users are taken: remove a container that has one"
        self._findings.add(Exhausted, intent.key, "spec.userNamespace", message)
        return 0

    def _list_taken(self) -> set[int]:
        """Return the first numbers of all ranges that are taken; looked up for the first container that wants one."""
        if self._taken is None:
            self._taken = {
                resource.assigned.id_base
                for key, resource in self._world.snapshot.items()
                if isinstance(resource, Container)
                and resource.assigned is not None
                and key not in self._world.leaving
            }
        return self._taken


def _hash(uid: Uid) -> int:
    return int(uid[:8], 16)
