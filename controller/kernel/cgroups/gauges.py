"""What containers use, and their processes: `KernelGauges(cgroups=..., runner=Runner())`."""

import asyncio
import os
from collections.abc import Collection, Sequence

from controller.errors import Conflict, Invalid
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.usage import CgroupUsage
from controller.kernel.network.traffic import Bytes, Traffic
from controller.kernel.subprocesses import Runner
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.plan.stats import UsageSample
from controller.ports.gauges import ProcessTable

_NO_TRAFFIC = Bytes(0, 0)


class KernelGauges:
    """Implements `controller.ports.gauges.Gauges`."""

    def __init__(self, *, cgroups: Cgroups, runner: Runner) -> None:
        self._cgroups = cgroups
        self._runner = runner
        self._traffic = Traffic(cgroups.instance)
        self._usage = CgroupUsage(cgroups)
        self._sampling = asyncio.Lock()

    async def sample(self, uids: Collection[Uid]) -> tuple[UsageSample, ...]:
        """See Gauges."""
        with translated("what containers use"):
            async with self._sampling:
                return await asyncio.to_thread(self._sample, tuple(uids))

    def _sample(self, uids: tuple[Uid, ...]) -> tuple[UsageSample, ...]:
        traffic = self._traffic.read()
        samples = []
        for uid in uids:
            try:
                samples.append(self._usage.read(uid, traffic.get(uid, _NO_TRAFFIC)))
            except (FileNotFoundError, ProcessLookupError):
                continue  # its process has ended
        return tuple(samples)

    async def list_processes(self, uid: Uid, arguments: Sequence[str]) -> ProcessTable:
        """See Gauges."""
        folders = [folder for path in self._cgroups.directories(uid) for folder, _, _ in os.walk(path)]
        pids = {str(pid) for folder in folders for pid in self._cgroups.members(uid, folder)}
        if not pids:
            raise Conflict("the container does not run")
        options = tuple(arguments) or ("-ef",)
        # Asked for by number, those at terminals of their own are listed too; not all options go along with that.
        completed = await self._runner.capture("ps", *options, "-q", ",".join(sorted(pids)))
        if completed.code != 0:
            completed = await self._runner.capture("ps", *options)
        if completed.code != 0 and not completed.stdout:
            told = completed.stderr.strip().splitlines()[:1] or ["it failed"]
            raise Invalid(f"ps {' '.join(arguments)}: {told[0]}")
        return select_processes(completed.stdout, pids)


def select_processes(output: str, pids: Collection[str]) -> ProcessTable:
    """Return the rows of ps' output that are about some processes; Invalid when it has no column PID."""
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise Invalid("ps prints no PID with these options: add the column pid")
    place = titles.index("PID")
    rows = (tuple(line.split(None, len(titles) - 1)) for line in lines[1:])
    return ProcessTable(
        titles=tuple(titles), rows=tuple(row for row in rows if len(row) > place and row[place] in pids)
    )
