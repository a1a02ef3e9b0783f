"""Runs of containers that a client goes along with: from the first instruction to the end, in one call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from controller.api.admission import Gate
from controller.api.containers import find_container, follow, has_ended, uid_of
from controller.api.convert import to_draft, to_proto
from controller.api.exits import convert_exit
from controller.api.orders import Orders
from controller.api.patience import Waits
from controller.api.starts import Starts, is_at_rest
from controller.api.streams import HasInput, converse
from controller.api.v1 import container_pb2
from controller.errors import Invalid, Unavailable, Violation
from controller.model.container import Container
from controller.model.kinds import key_of
from controller.plan.admission import ApplyBatch
from controller.ports import Gate as StartGate
from controller.ports import Processes, Sessions

Write = Callable[[container_pb2.RunResponse], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How a call tells its client what happens before the end; one at a time."""

    waiting: Callable[[container_pb2.Waiting], Awaitable[None]]
    output: Callable[[container_pb2.Output], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Runs containers for clients."""

    gate: Gate
    sessions: Sessions
    processes: Processes

    async def serve(self, requests: AsyncIterator[container_pb2.RunRequest], write: Write) -> None:
        """Answer one call: created, then output and exit; or, detached, created and started (or why it isn't)."""
        first = await anext(requests, None)
        if first is None or first.WhichOneof("message") != "start":
            raise Invalid("the first message has to carry start")
        start = first.start
        if start.resource.kind != "Container" or not start.resource.metadata.name:
            raise Invalid.of([Violation(field="resource", message="has to be a Container with a name")])
        if start.detach:
            container = await self._create(start)
            await write(container_pb2.RunResponse(created=to_proto(container)))
            waits = Waits(lambda waiting: write(container_pb2.RunResponse(waiting=waiting)))
            starts = Starts(gate=self.gate)
            found = await starts.await_start(container, container.spec.run, waits, give_up=True)
            await write(
                container_pb2.RunResponse(started=to_proto(found))
                if isinstance(found, Container)
                else container_pb2.RunResponse(exit=found)
            )
            return
        answers = Answers(
            waiting=lambda waiting: write(container_pb2.RunResponse(waiting=waiting)),
            output=lambda output: write(container_pb2.RunResponse(output=output)),
        )
        gate = self.sessions.expect_attach(start.resource.metadata.name)
        try:
            container = await self._create(start)
            await write(container_pb2.RunResponse(created=to_proto(container)))
            ended = await self._go_along(container, requests, gate, answers, give_up=True)
        finally:
            gate.open()
        await write(container_pb2.RunResponse(exit=ended))

    async def start(
        self, container: Container, requests: AsyncIterator[HasInput], answers: Answers
    ) -> container_pb2.Exit:
        """Ask for a new run of a container and go along with it; returns how it ended."""
        gate = self.sessions.expect_attach(container.metadata.name)
        try:
            begun = await Orders(gate=self.gate).start(uid_of(container))
            return await self._go_along(begun, requests, gate, answers, give_up=is_at_rest(container))
        finally:
            gate.open()

    async def _create(self, start: container_pb2.RunStart) -> Container:
        draft = to_draft(start.resource)
        batch = ApplyBatch(
            drafts=(draft,),
            create_volumes=start.create_volumes,
            create_images=not start.require_image,
            create_only=True,
        )
        committed = await self.gate.apply(batch, request_id=start.request_id)
        return find_container(
            dict(zip(map(key_of, committed.resources), committed.resources, strict=True)), draft.key.name
        )

    async def _go_along(
        self,
        container: Container,
        requests: AsyncIterator[HasInput],
        gate: StartGate,
        answers: Answers,
        *,
        give_up: bool,
    ) -> container_pb2.Exit:
        """Attach before the first instruction runs, carry the streams, and return how it ended."""
        last = container
        waits = Waits(answers.waiting)

        async def watch_end() -> None:
            nonlocal last
            ended = has_ended(container.spec.run)
            async for state, gone in follow(self.gate.store, container):
                last = state
                # One that removes itself is waited for to the last, so that its name, ports and volumes are free then.
                if gone or (ended(state) and not state.spec.auto_remove):
                    return
                waits.look(state, self.gate.store.snapshot())

        uid = uid_of(container)
        async with asyncio.TaskGroup() as tasks:
            created = tasks.create_task(_is_created(gate))
            ending = tasks.create_task(watch_end())
            hoping = tasks.create_task(waits.follow())
            await asyncio.wait([ending, created, hoping], return_when=asyncio.FIRST_COMPLETED)
            if hoping.done() and not (ending.done() or created.done()):
                ending.cancel()
                created.cancel()
                return await Starts(gate=self.gate).end_wait(container, hoping.result(), give_up=give_up)
            hoping.cancel()
            if created.done() and created.result():
                session = await self.sessions.attach(uid)
                gate.open()
                try:
                    await converse(
                        requests,
                        session,
                        answers.output,
                        send_signal=lambda number: self.processes.signal(uid, number),
                        ended=lambda: _join(ending),
                    )
                finally:
                    # As with Docker, who began a process takes its standard input along.
                    await session.close_stdin()
            created.cancel()
            await _join(ending)
        return convert_exit(last)


async def _is_created(gate: StartGate) -> bool:
    """Wait for the process; False when it can't be created, which the status tells more of."""
    try:
        await gate.created()
    except Unavailable:
        return False
    return True


async def _join(task: "asyncio.Task[None]") -> None:
    await asyncio.wait([task])
