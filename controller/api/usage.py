"""What containers use, and their processes, for ContainerService."""

from collections.abc import AsyncIterator

from controller.api.archives import list_containers
from controller.api.containers import find_container, is_running, uid_of
from controller.api.convert import to_timestamp
from controller.api.sampler import Moment, Sampler
from controller.api.v1 import container_pb2
from controller.errors import Conflict
from controller.model.container import Container
from controller.model.ids import Uid
from controller.ports import Clock, StateStore
from controller.ports.gauges import Gauges


class Usage:
    """Answers the calls that are about what containers use."""

    def __init__(self, *, store: StateStore, gauges: Gauges, clock: Clock) -> None:
        self._store = store
        self._gauges = gauges
        self._sampler = Sampler(snapshot=store.snapshot, gauges=gauges, clock=clock)
        self._converted_number = 0
        self._converted: dict[Uid, container_pb2.ContainerUsage] = {}

    async def watch(self, request: container_pb2.StatsRequest) -> AsyncIterator[container_pb2.StatsResponse]:
        """Yield an answer for each moment, for ever or once; until the last of those named is gone."""
        named = frozenset(uid_of(find_container(self._store.snapshot(), name)) for name in request.containers)
        number: int | None = None
        while True:
            moment = await self._sampler.wait_for_moment(number)
            number = moment.number
            containers = [
                each
                for each in list_containers(self._store.snapshot(), ())
                if (uid_of(each) in named if named else request.all or is_running(each))
            ]
            if named and not containers:
                return
            yield self._convert(moment, containers)
            if request.once:
                return

    def _convert(self, moment: Moment, containers: list[Container]) -> container_pb2.StatsResponse:
        """Return the answer for a moment; what one watcher was told of a container is not made anew for the next."""
        if self._converted_number != moment.number:
            self._converted_number, self._converted = moment.number, {}
        for each in containers:
            if uid_of(each) not in self._converted:
                self._converted[uid_of(each)] = _convert_usage(moment, each)
        return container_pb2.StatsResponse(
            at=to_timestamp(moment.at), containers=[self._converted[uid_of(each)] for each in containers]
        )

    async def list_processes(self, request: container_pb2.TopRequest) -> container_pb2.TopResponse:
        """Return the processes in a container."""
        container = find_container(self._store.snapshot(), request.container)
        if not is_running(container):
            raise Conflict(f"container {container.metadata.name} does not run: start it first")
        table = await self._gauges.list_processes(uid_of(container), tuple(request.ps_arguments))
        return container_pb2.TopResponse(
            titles=table.titles, processes=[container_pb2.TopProcess(values=row) for row in table.rows]
        )


def _convert_usage(moment: Moment, container: Container) -> container_pb2.ContainerUsage:
    uid = uid_of(container)
    sample = moment.samples.get(uid)
    if sample is None:
        return container_pb2.ContainerUsage(container=container.metadata.name, uid=uid)
    return container_pb2.ContainerUsage(
        container=container.metadata.name,
        uid=uid,
        cpu_percent=moment.cpu_percents.get(uid, 0.0),
        cpu_s=sample.cpu_s,
        memory_bytes=sample.memory_bytes,
        memory_limit_bytes=sample.memory_limit_bytes,
        network_received_bytes=sample.network_received_bytes,
        network_sent_bytes=sample.network_sent_bytes,
        block_read_bytes=sample.block_read_bytes,
        block_written_bytes=sample.block_written_bytes,
        pids=sample.pids,
        running=True,
    )
