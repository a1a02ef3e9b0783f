"""The store against a plain dictionary, under any sequence of writes and restarts."""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.errors import Expired
from controller.model.changes import Change, ChangeType, Decision, MarkDeleted, Put, Snapshot
from controller.model.ids import Key, Revision, Uid
from controller.model.kinds import key_of
from controller.model.resource import Metadata
from controller.model.volume import Volume, VolumeAssigned, VolumeStatus
from controller.store.database import derive_url
from controller.store.limits import StoreLimits
from controller.store.store import SqlStore, open_store

T = TypeVar("T")

names = st.sampled_from(["a", "b", "c", "d"])
LIMITS = StoreLimits(changes=12, recent=3)


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


class Told:
    """What a watcher can tell of an object: identity, label, path in the status, whether it is being deleted."""

    @staticmethod
    def of(resource: object) -> tuple[str, str, str, bool]:
        assert isinstance(resource, Volume)
        metadata = resource.metadata
        return metadata.uid or "", metadata.labels["n"], resource.status.path, metadata.deleted_at is not None


class StoreMachine(RuleBasedStateMachine):
    """`model` is what the store must hold, `mirror` what a watcher makes of the changes that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.url = derive_url(str(Path(self.directory.name) / "hold.db"))
        self.model: dict[str, tuple[str, str, str, bool]] = {}
        self.mirror: dict[str, tuple[str, str, str, bool]] = {}
        self.seen = Revision(0)
        self.serial = 0
        self.writes = 0
        self._open()

    def _open(self) -> None:
        self.context = open_store(self.url, StoppedClock(), limits=LIMITS)
        self.store: SqlStore = self.run(self.context.__aenter__())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.context.__aexit__(None, None, None))
        self.runner.close()
        self.directory.cleanup()

    @rule(changed=st.sets(names, min_size=1))
    def put(self, changed: set[str]) -> None:
        writes: list[Put] = []
        for name in sorted(changed):
            self.serial += 1
            uid, _, path, leaving = self.model.get(name, (f"{self.serial:032x}", "", "", False))
            self.model[name] = (uid, str(self.serial), path, leaving)
            metadata = Metadata(name=name, uid=uid, labels={"n": str(self.serial)})
            writes.append(Put(resource=Volume(metadata=metadata), assigned=VolumeAssigned()))
        self._commit(*writes)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def mark_deleted(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        uid, label, path, _ = self.model[name]
        self.model[name] = (uid, label, path, True)
        self._commit(MarkDeleted(key=Key("Volume", name)))

    def _commit(self, *writes: Put | MarkDeleted) -> None:
        def decide(_: Snapshot) -> Decision:
            return Decision(writes=writes, outcomes=())

        committed = self.run(self.store.commit(decide))
        self.writes += len(writes)
        assert committed.revision == self.writes

    @rule(name=names, path=st.sampled_from(["/x", "/y"]), stale=st.booleans())
    def put_status(self, name: str, path: str, stale: bool) -> None:
        uid, label, before, leaving = self.model.get(name, ("", "", "", False))
        known = Uid("f" * 32 if stale else uid)
        self.run(self.store.put_status(Key("Volume", name), known, VolumeStatus(path=path)))
        if uid and not stale and path != before:
            self.model[name] = (uid, label, path, leaving)
            self.writes += 1

    @rule(name=names, stale=st.booleans())
    def forget(self, name: str, stale: bool) -> None:
        uid, _, _, leaving = self.model.get(name, ("", "", "", False))
        self.run(self.store.forget(Key("Volume", name), Uid("f" * 32 if stale else uid)))
        if leaving and not stale:
            del self.model[name]
            self.writes += 1

    @rule()
    def reopen(self) -> None:
        self.run(self.context.__aexit__(None, None, None))
        self._open()

    @rule()
    def catch_up(self) -> None:
        try:
            changes = self.run(self._take())
        except Expired:
            assert self.writes - self.seen > LIMITS.changes
            changes = []
            self.mirror = {key.name: Told.of(each) for key, each in self.store.snapshot().items()}
        assert [change.revision for change in changes] == list(
            range(self.seen + 1, self.writes + 1)
        ) or not changes
        for change in changes:
            name = key_of(change.resource).name
            assert (change.type is ChangeType.ADDED) == (name not in self.mirror)
            if change.type is ChangeType.DELETED:
                del self.mirror[name]
            else:
                self.mirror[name] = Told.of(change.resource)
        self.seen = Revision(self.writes)
        assert self.mirror == self.model

    async def _take(self) -> list[Change]:
        watch = self.store.watch(self.seen)
        return [await anext(watch) for _ in range(self.writes - self.seen)]

    @invariant()
    def holds_what_was_written(self) -> None:
        assert {key.name: Told.of(each) for key, each in self.store.snapshot().items()} == self.model
        assert self.store.revision() == self.writes


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
