"""Who names whom, kept up to date change by change, so that no turn has to look through all objects."""

from controller.model.changes import Snapshot
from controller.model.ids import Key
from controller.model.kinds import Resource, key_of
from controller.plan.admission.references import list_uses


class References:
    """The names in specs, by user and by what is used."""

    def __init__(self) -> None:
        self._used: dict[Key, frozenset[Key]] = {}
        self._users: dict[Key, set[Key]] = {}

    def put(self, resource: Resource) -> None:
        """Take over what an object names."""
        user = key_of(resource)
        used = list_uses(resource)
        before = self._used.get(user, frozenset())
        for target in before - used:
            self._users[target].discard(user)
        for target in used - before:
            self._users.setdefault(target, set()).add(user)
        self._used[user] = used

    def drop(self, user: Key) -> None:
        """Forget an object that is gone, as a user."""
        for target in self._used.pop(user, frozenset()):
            self._users[target].discard(user)

    def find_users(self, target: Key) -> frozenset[Key]:
        """Return the objects that name `target`."""
        return frozenset(self._users.get(target, ()))

    def find_used(self, user: Key) -> frozenset[Key]:
        """Return the objects that `user` names."""
        return self._used.get(user, frozenset())

    def list_users(self, snapshot: Snapshot, target: Key) -> tuple[str, ...]:
        """Return the names of those users that are still there, in order."""
        return tuple(sorted(user.name for user in self.find_users(target) if user in snapshot))
