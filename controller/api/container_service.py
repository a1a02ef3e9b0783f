"""ContainerService: running containers, in, out and around their processes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from controller.api.admission import Gate
from controller.api.archives import Archives
from controller.api.commits import Committer
from controller.api.containers import check_awake, find_container, has_left, is_running, uid_of, wait_for
from controller.api.convert import to_proto
from controller.api.exits import choose_start_code, convert_exit
from controller.api.logs import Logs
from controller.api.orders import Ending, Orders, read_ending
from controller.api.patience import Waits
from controller.api.run import Answers, Run
from controller.api.starts import Starts, is_at_rest
from controller.api.status import reported
from controller.api.streams import converse, read_signal
from controller.api.usage import Usage
from controller.api.v1 import container_pb2, container_pb2_grpc
from controller.errors import Conflict, Invalid, Refused, Unsupported, Violation
from controller.model.container import Container, DesiredState
from controller.model.ids import Key
from controller.model.image import Image, complete_image_name
from controller.model.signals import find_number
from controller.ports import ExecWant, Processes, Session, Sessions

_SIGKILL = 9
_DEFAULT_STOP_SIGNAL = "SIGTERM"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerParts:
    """What answers the calls that do not talk to a process."""

    logs: Logs
    archives: Archives
    committer: Committer
    usage: Usage


class ContainerService(container_pb2_grpc.ContainerServiceServicer):
    """Implements hold.v1.ContainerService."""

    def __init__(
        self, *, gate: Gate, sessions: Sessions, processes: Processes, parts: ContainerParts
    ) -> None:
        self._gate = gate
        self._store = gate.store
        self._sessions = sessions
        self._processes = processes
        self._logs = parts.logs
        self._archives = parts.archives
        self._committer = parts.committer
        self._usage = parts.usage
        self._orders = Orders(gate=gate)
        self._run = Run(gate=gate, sessions=sessions, processes=processes)

    def _find(self, name: str) -> Container:
        return find_container(self._store.snapshot(), name)

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def Run(  # type: ignore[override]
        self,
        request_iterator: Any,
        context: Any,
    ) -> None:
        """See the proto."""
        async with reported(context):
            await self._run.serve(aiter(request_iterator), context.write)

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def Attach(  # type: ignore[override]
        self,
        request_iterator: Any,
        context: Any,
    ) -> None:
        """See the proto."""
        async with reported(context):
            requests = aiter(request_iterator)
            first: container_pb2.AttachRequest | None = await anext(requests, None)
            if first is None or first.WhichOneof("message") != "start":
                raise Invalid("the first message has to carry start")
            container = self._find(first.start.container)
            if first.start.start and not is_running(container):
                answers = Answers(
                    waiting=lambda waiting: context.write(container_pb2.AttachResponse(waiting=waiting)),
                    output=lambda output: context.write(container_pb2.AttachResponse(output=output)),
                )
                code = await self._run.start(container, requests, answers)
                await context.write(container_pb2.AttachResponse(exit=code))
                return
            check_awake(container)
            session = await self._sessions.attach(uid_of(container))
            await context.write(container_pb2.AttachResponse(attached=container_pb2.Attached()))
            last = container

            async def ended() -> None:
                nonlocal last
                last, _ = await wait_for(self._store, container, has_left(container))

            await converse(
                requests,
                session,
                lambda output: context.write(container_pb2.AttachResponse(output=output)),
                send_signal=lambda number: self._processes.signal(uid_of(container), number),
                ended=ended,
            )
            await context.write(container_pb2.AttachResponse(exit=convert_exit(last)))

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def Exec(  # type: ignore[override]
        self,
        request_iterator: Any,
        context: Any,
    ) -> None:
        """See the proto."""
        async with reported(context):
            requests = aiter(request_iterator)
            first: container_pb2.ExecRequest | None = await anext(requests, None)
            if first is None or first.WhichOneof("message") != "start":
                raise Invalid("the first message has to carry start")
            start = first.start
            if not start.arguments:
                raise Invalid.of([Violation(field="arguments", message="name the program to run")])
            container = self._find(start.container)
            check_awake(container)
            try:
                session = await self._sessions.exec(uid_of(container), _read_want(start))
            except Refused as error:
                failed = container_pb2.Exit(code=choose_start_code(error.message), error=error.message)
                await context.write(container_pb2.ExecResponse(exit=failed))
                return
            await context.write(container_pb2.ExecResponse(started=container_pb2.ExecStarted()))
            if start.detach:
                await session.close()
                return
            if start.HasField("size"):
                await session.resize(rows=start.size.rows, columns=start.size.columns)
            code = await _converse_exec(session, requests, context)
            await context.write(container_pb2.ExecResponse(exit=container_pb2.Exit(code=code)))

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def Logs(self, request: container_pb2.LogsRequest, context: Any) -> None:  # type: ignore[override]
        """See the proto."""
        async with reported(context):
            await self._logs.serve(request, context.write)

    async def Start(self, request: container_pb2.StartRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            was_at_rest = is_at_rest(self._find(request.container))
            begun = await self._orders.start(request.container)
            return container_pb2.StartResponse(resource=to_proto(begun), was_at_rest=was_at_rest)

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def AwaitStart(  # type: ignore[override]
        self,
        request: container_pb2.AwaitStartRequest,
        context: Any,
    ) -> None:
        """See the proto."""
        async with reported(context):
            waits = Waits(lambda waiting: context.write(container_pb2.AwaitStartResponse(waiting=waiting)))
            container = self._find(request.container)
            starts = Starts(gate=self._gate)
            found = await starts.await_start(container, request.run, waits, give_up=request.give_up)
            if isinstance(found, Container):
                await context.write(container_pb2.AwaitStartResponse(started=to_proto(found)))
            else:
                await context.write(container_pb2.AwaitStartResponse(exit=found))

    async def Stop(self, request: container_pb2.StopRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            stopped = await self._orders.stop(request.container, _read_ending(request))
            return container_pb2.StopResponse(resource=to_proto(stopped))

    async def Restart(self, request: container_pb2.RestartRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            restarted = await self._orders.restart(request.container, _read_ending(request))
            return container_pb2.RestartResponse(resource=to_proto(restarted))

    async def Rename(self, request: container_pb2.RenameRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            renamed = await self._orders.rename(request.container, request.new_name)
            return container_pb2.RenameResponse(resource=to_proto(renamed))

    async def Signal(self, request: container_pb2.SignalRequest, context: Any) -> Any:
        """See the proto. A signal that is meant to end the process makes `stopped` the desired state first."""
        async with reported(context):
            container = self._find(request.container)
            number = read_signal(request.signal or "SIGKILL")
            if not is_running(container):
                raise Conflict(f"container {container.metadata.name} does not run")
            if (
                number in (_SIGKILL, self._find_stop_number(container))
                and container.spec.desired is not DesiredState.STOPPED
            ):
                await self._orders.stop(uid_of(container), Ending())
            await self._processes.signal(uid_of(container), number)
            return container_pb2.SignalResponse()

    def _find_stop_number(self, container: Container) -> int:
        """Return the number of the container's own stop signal, or its image's, or SIGTERM's."""
        image = self._store.snapshot().get(Key("Image", complete_image_name(container.spec.image or "")))
        config = image.status.config if isinstance(image, Image) else None
        return find_number(
            container.spec.stop_signal or (config and config.stop_signal) or _DEFAULT_STOP_SIGNAL
        )

    async def Wait(self, request: container_pb2.WaitRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            container = self._find(request.container)
            conditions = {
                "": has_left(container),
                "exited": has_left(container),
                "running": is_running,
                "removed": lambda _: False,
            }
            if request.condition not in conditions:
                known = ", ".join(name for name in conditions if name)
                raise Invalid.of([Violation(field="condition", message=f"is not one of {known}")])
            state, _ = await wait_for(self._store, container, conditions[request.condition])
            return container_pb2.WaitResponse(exit=convert_exit(state))

    async def Archive(self, request: container_pb2.ArchiveRequest, context: Any) -> AsyncIterator[Any]:
        """See the proto."""
        async with reported(context):
            async for answer in self._archives.read(request):
                yield answer

    async def PutArchive(self, request_iterator: Any, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._archives.put(aiter(request_iterator))

    async def Diff(self, request: container_pb2.DiffRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._archives.compare(request)

    async def Export(self, request: container_pb2.ExportRequest, context: Any) -> AsyncIterator[Any]:
        """See the proto."""
        async with reported(context):
            async for answer in self._archives.export(request):
                yield answer

    async def Measure(self, request: container_pb2.MeasureRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._archives.measure(request)

    async def Commit(self, request: container_pb2.CommitRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._committer.commit(request)

    async def Stats(self, request: container_pb2.StatsRequest, context: Any) -> AsyncIterator[Any]:
        """See the proto."""
        async with reported(context):
            async for answer in self._usage.watch(request):
                yield answer

    async def Top(self, request: container_pb2.TopRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._usage.list_processes(request)


def _read_ending(request: container_pb2.StopRequest | container_pb2.RestartRequest) -> Ending:
    grace_period_s = request.grace_period_s if request.HasField("grace_period_s") else None
    return read_ending(request.signal, grace_period_s)


async def _converse_exec(session: Session, requests: Any, context: Any) -> int:
    code = 0

    async def ended() -> None:
        nonlocal code
        code = await session.exit_code() or 0

    await converse(
        requests,
        session,
        lambda output: context.write(container_pb2.ExecResponse(output=output)),
        send_signal=_refuse_signal,
        ended=ended,
    )
    return code


async def _refuse_signal(number: int) -> None:
    """Keep a signal meant for an exec's process away from the container's own."""
    raise Unsupported(f"signal {number} can't be sent to the process of an exec: use a terminal's keys")


def _read_want(start: container_pb2.ExecStart) -> ExecWant:
    return ExecWant(
        arguments=tuple(start.arguments),
        environment=tuple(start.environment.items()),
        working_dir=start.working_dir,
        user=start.user,
        tty=start.tty,
        stdin=start.stdin,
        privileged=start.privileged,
    )
