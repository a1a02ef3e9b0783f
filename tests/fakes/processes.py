"""Processes, roots and limits of a fake machine."""

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from controller.errors import NotFound, Refused
from controller.model.facts import (
    AccountFiles,
    ProcessFacts,
    ProcessState,
    RootFacts,
)
from controller.model.ids import Uid
from controller.model.limits import LimitFacts, LimitsWant
from controller.model.signals import find_number
from controller.model.wants import ProcessWant, RootWant
from controller.plan.limits import foresee_limits
from controller.plan.oci.files import derive_texts_digest
from tests.fakes.port import FakePort


class FakeProcesses(FakePort):
    """See Processes."""

    async def list(self) -> tuple[ProcessFacts, ...]:
        call = await self._steps.begin("processes.list")
        facts = tuple(process.facts for process in self._world.processes.values())
        await self._steps.end(call)
        return facts

    async def read(self, uid: Uid) -> ProcessFacts | None:
        call = await self._steps.begin("processes.read")
        process = self._world.processes.get(uid)
        await self._steps.end(call)
        return process.facts if process is not None else None

    async def create(self, want: ProcessWant) -> None:
        world = self._world
        call = await self._steps.begin("processes.create")
        if world.is_alive(want.uid):
            world.violate(f"two runtimes for {want.name}")
        root = world.roots.get(want.uid)
        if root is None or not root.mounted:
            raise Refused(f"root of {want.name} is not mounted")
        for each in json.loads(want.config_json)["linux"]["namespaces"]:
            owner = each.get("path", "").rpartition("/")[2]
            if each["type"] == "network" and owner not in world.namespaces:
                raise Refused(f"network namespace {owner} is not there")
        if world.choose_program(want).refusal == "create":
            raise Refused("the runtime does not like the configuration")
        world.make_process(want)
        await self._steps.end(call)

    async def start(self, uid: Uid) -> None:
        call = await self._steps.begin("processes.start")
        process = self._world.processes.get(uid)
        if process is None:
            raise NotFound(f"{uid} was not created")
        program = self._world.choose_program(process.want)
        if program.refusal:
            raise Refused(program.refusal)
        if process.facts.state is ProcessState.CREATED:
            self._world.start_process(uid)
        await self._steps.end(call)

    async def signal(self, uid: Uid, number: int) -> None:
        call = await self._steps.begin("processes.signal")
        process = self._world.processes.get(uid)
        if process is not None and process.facts.state is ProcessState.RUNNING:
            ignored = self._world.choose_program(process.want).ignores_term
            if number == find_number("SIGKILL") or not ignored:
                self._world.end_process(uid, 128 + number)
        await self._steps.end(call)

    async def delete(self, uid: Uid) -> None:
        call = await self._steps.begin("processes.delete")
        self._world.end_process(uid, 137)
        self._world.processes.pop(uid, None)
        self._world.limits.pop(uid, None)
        await self._steps.end(call)


class FakeTexts(FakePort):
    """See Texts."""

    async def rewrite(self, uid: Uid, files: Sequence[tuple[str, str]]) -> None:
        call = await self._steps.begin("texts.rewrite")
        process = self._world.processes.get(uid)
        if process is not None:
            process.want = replace(process.want, files=tuple(files))
            process.facts = replace(process.facts, texts_digest=derive_texts_digest(files))
        await self._steps.end(call)


class FakeFreezer(FakePort):
    """See Freezer."""

    async def pause(self, uid: Uid) -> None:
        await self._set(uid, "freezer.pause", ProcessState.RUNNING, ProcessState.PAUSED)

    async def resume(self, uid: Uid) -> None:
        await self._set(uid, "freezer.resume", ProcessState.PAUSED, ProcessState.RUNNING)

    @contextlib.asynccontextmanager
    async def holding(self, uid: Uid) -> AsyncGenerator[None]:
        call = await self._steps.begin("freezer.holding")
        del uid
        yield
        await self._steps.end(call)

    async def _set(self, uid: Uid, name: str, before: ProcessState, after: ProcessState) -> None:
        call = await self._steps.begin(name)
        process = self._world.processes.get(uid)
        if process is not None and process.facts.state is before:
            process.facts = replace(process.facts, state=after)
        await self._steps.end(call)


class FakeLimits(FakePort):
    """See Limits."""

    async def read(self, uid: Uid, *, devices: tuple[str, ...] = ()) -> LimitFacts | None:
        del devices
        return self._world.limits.get(uid)

    async def apply(self, uid: Uid, want: LimitsWant) -> None:
        call = await self._steps.begin("limits.apply")
        if uid in self._world.limits:
            self._world.limits[uid] = foresee_limits(want, self._world.limits[uid])
        await self._steps.end(call)


class FakeRoots(FakePort):
    """See Roots."""

    async def list(self) -> tuple[RootFacts, ...]:
        call = await self._steps.begin("roots.list")
        await self._steps.end(call)
        return tuple(self._world.roots.values())

    async def read(self, uid: Uid) -> RootFacts:
        call = await self._steps.begin("roots.read")
        await self._steps.end(call)
        return self._world.roots.get(uid, RootFacts(uid=uid, mounted=False))

    async def mount(self, want: RootWant) -> None:
        call = await self._steps.begin("roots.mount")
        if self._world.is_alive(want.uid):
            self._world.violate(f"mounted the root of a live process {want.uid}")
        facts = RootFacts(
            uid=want.uid, mounted=True, lower_paths=want.lower_paths, has_upper=True, id_base=want.id_base
        )
        self._world.roots[want.uid] = facts
        await self._steps.end(call)

    async def unmount(self, uid: Uid) -> None:
        call = await self._steps.begin("roots.unmount")
        if self._world.is_alive(uid):
            self._world.violate(f"unmounted the root of a live process {uid}")
        if uid in self._world.roots:
            self._world.roots[uid] = replace(self._world.roots[uid], mounted=False, lower_paths=())
        await self._steps.end(call)

    async def delete(self, uid: Uid) -> None:
        call = await self._steps.begin("roots.delete")
        root = self._world.roots.get(uid)
        if root is not None and root.mounted:
            self._world.violate(f"deleted a mounted root {uid}")
        self._world.roots.pop(uid, None)
        await self._steps.end(call)

    async def read_accounts(self, want: RootWant) -> AccountFiles:
        call = await self._steps.begin("roots.read_accounts")
        await self._steps.end(call)
        del want
        return AccountFiles(
            passwd="root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n", group="root:x:0:\n"
        )
