"""SystemService: the daemon and its host."""

from collections import Counter
from typing import Any

from controller.api.convert import to_timestamp
from controller.api.housekeeping import Housekeeping
from controller.api.status import reported
from controller.api.v1 import system_pb2, system_pb2_grpc
from controller.model.container import Container, Phase
from controller.model.layout import Layout
from controller.model.resource import API_VERSION
from controller.ports import Diagnostics, StateStore

_STOPPED = (Phase.EXITED, Phase.FAILED, Phase.PENDING, Phase.CREATING)


class SystemService(system_pb2_grpc.SystemServiceServicer):
    """Implements hold.v1.SystemService."""

    def __init__(
        self, *, store: StateStore, diagnostics: Diagnostics, layout: Layout, housekeeping: Housekeeping
    ) -> None:
        self._store = store
        self._housekeeping = housekeeping
        self._diagnostics = diagnostics
        self._layout = layout

    async def GetVersion(self, request: system_pb2.GetVersionRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            host = await self._diagnostics.describe()
            return system_pb2.GetVersionResponse(
                version=host.version,
                api_version=API_VERSION,
                python_version=host.python_version,
                kernel_release=host.kernel_release,
                architecture=host.architecture,
            )

    async def GetInfo(self, request: system_pb2.GetInfoRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            host = await self._diagnostics.describe()
            snapshot = self._store.snapshot()
            phases = Counter(each.status.phase for each in snapshot.values() if isinstance(each, Container))
            return system_pb2.GetInfoResponse(
                instance=self._layout.instance,
                root_path=self._layout.root_path,
                run_path=self._layout.run_path,
                default_runtime=host.default_runtime,
                cgroup_layout=host.cgroup_layout,
                firewall_backend=host.firewall_backend,
                revision=self._store.revision(),
                objects=dict(Counter(key.kind for key in snapshot)),
                containers_running=phases[Phase.RUNNING] + phases[Phase.STOPPING],
                containers_paused=phases[Phase.PAUSED],
                containers_stopped=sum(phases[phase] for phase in _STOPPED),
                started_at=to_timestamp(host.started_at),
                pid=host.pid,
                kernel_release=host.kernel_release,
                operating_system=host.operating_system,
                processors=host.processors,
                memory_bytes=host.memory_bytes,
                version=host.version,
            )

    async def Diagnose(self, request: system_pb2.DiagnoseRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            checks = await self._diagnostics.diagnose()
            return system_pb2.DiagnoseResponse(
                checks=[
                    system_pb2.Check(
                        name=check.name, result=check.result, message=check.message, remedy=check.remedy
                    )
                    for check in checks
                ]
            )

    async def GetDiskUsage(self, request: system_pb2.GetDiskUsageRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._housekeeping.measure()

    async def Prune(self, request: system_pb2.PruneRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._housekeeping.prune(request)
