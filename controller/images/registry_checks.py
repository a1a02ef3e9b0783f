"""What `hold doctor` says of the registries and mirrors that the configuration names."""

from controller.images.registry.client import RegistryClient
from controller.model.host import Check, HostDescription
from controller.plan.checks import judge_registry
from controller.ports import Diagnostics


class RegistryDiagnostics:
    """Implements `controller.ports.Diagnostics`: those of the host, and then the registries."""

    def __init__(self, host: Diagnostics, *, client: RegistryClient) -> None:
        self._host = host
        self._client = client

    async def describe(self) -> HostDescription:
        """See Diagnostics."""
        return await self._host.describe()

    async def diagnose(self) -> tuple[Check, ...]:
        """See Diagnostics."""
        checks = await self._host.diagnose()
        found = [judge_registry(name, error) async for name, error in self._client.examine()]
        return (*checks, *found)
