"""The ports of containers that the suites are run on: those of the fake machine, and Linux's with each runtime."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from controller.kernel import syscalls
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.freezer import CgroupFreezer
from controller.kernel.cgroups.limits import CgroupLimits
from controller.kernel.logs.rotation import LogRotator
from controller.kernel.processes.bundles import Bundle
from controller.kernel.processes.gates import Gates
from controller.kernel.processes.process_events import ProcessEvents
from controller.kernel.processes.processes import OciProcesses
from controller.kernel.processes.texts import BundleTexts
from controller.kernel.roots.roots import OverlayRoots
from controller.kernel.subprocesses import Runner
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.container import Container
from controller.model.facts import ProcessFacts, ProcessState
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import ProcessWant, RootWant
from controller.plan.logs import LogDefaults
from controller.plan.oci.render import render_process
from controller.plan.oci.surroundings import Surroundings
from controller.ports import (
    Freezer,
    HintType,
    KernelEvents,
    Limits,
    Processes,
    Roots,
    Texts,
    VolumeContents,
    VolumeDirectories,
)
from tests.fakes.drivers import no_drivers
from tests.fakes.kernel import make_ports
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld, Program

DEADLINE_S = 30.0
LOG_MAX_BYTES = 64 << 10
WEB, DB, NOBODY = Uid("1" * 32), Uid("2" * 32), Uid("f" * 32)
PASSWD = "root:x:0:0::/root:/bin/sh\nbob:x:7:8::/home/bob:/bin/sh\n"
GROUP = "root:x:0:\nbob:x:8:\nstaff:x:50:bob\n"


class Behaviour(Enum):
    """What a container's program does: its command, and the same for the fake machine."""

    SLEEPS = (("sleep", "1000"), Program())
    ENDS = (("sh", "-c", "exit 7"), Program(runs_s=0.01, exit_code=7))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPorts:
    """The ports, and what the suites need besides.

    `reopen` gives the processes as the next daemon finds them; `image_path` is a layer with busybox; `lose_monitor` kills
    the monitor of a process; `stir` makes a hint about the process of NOBODY.
    """

    processes: Processes
    texts: Texts
    freezer: Freezer
    limits: Limits
    roots: Roots
    volumes: VolumeDirectories
    contents: VolumeContents
    layout: Layout
    image_path: str
    reopen: Callable[[], Processes]
    learn: Callable[[str, Behaviour], None]
    lose_monitor: Callable[[Uid], None]
    events: KernelEvents
    stir: Callable[[], None]

    def derive_want(self, uid: Uid, behaviour: Behaviour = Behaviour.SLEEPS, **spec: object) -> ProcessWant:
        """Return a process on the host's network as the planner asks for it; `spec` has further fields of it."""
        name = f"c{uid[:4]}"
        self.learn(name, behaviour)
        fields = {"command": behaviour.value[0], "rootfs": self.image_path, "networkMode": "host", **spec}
        document = {"metadata": {"name": name, "uid": uid}, "spec": fields}
        return render_process(Container.model_validate(document), Surroundings(layout=self.layout))

    async def create(self, uid: Uid, behaviour: Behaviour = Behaviour.SLEEPS, **spec: object) -> ProcessWant:
        """Mount the root and create the process."""
        want = self.derive_want(uid, behaviour, **spec)
        await self.roots.mount(RootWant(uid=uid, lower_paths=(self.image_path,)))
        await self.processes.create(want)
        return want

    async def run(self, uid: Uid, behaviour: Behaviour = Behaviour.SLEEPS, **spec: object) -> ProcessWant:
        """Create and start."""
        want = await self.create(uid, behaviour, **spec)
        await self.processes.start(uid)
        return want

    async def wait_for(self, uid: Uid, state: ProcessState) -> ProcessFacts:
        """Return the facts once the process is in this state; TimeoutError after DEADLINE_S."""
        return await self.wait_until(uid, lambda facts: facts.state is state)

    async def wait_until(self, uid: Uid, condition: Callable[[ProcessFacts], bool]) -> ProcessFacts:
        """Return the facts once they are so; TimeoutError after DEADLINE_S."""
        until = time.monotonic() + DEADLINE_S
        while True:
            facts = await self.processes.read(uid)
            if facts is not None and condition(facts):
                return facts
            if time.monotonic() > until:
                raise TimeoutError(f"still {facts}")
            await asyncio.sleep(0.005)


@asynccontextmanager
async def fake_containers() -> AsyncIterator[ContainerPorts]:
    """Ports of a machine in memory."""
    world = FakeWorld()
    ports = make_ports(world, Steps())

    def learn(name: str, behaviour: Behaviour) -> None:
        world.programs[name] = behaviour.value[1]

    yield ContainerPorts(
        processes=ports.processes,
        texts=ports.texts,
        freezer=ports.freezer,
        limits=ports.limits,
        roots=ports.roots,
        volumes=ports.volumes,
        contents=ports.volume_contents,
        layout=Layout(root_path="/var/lib/hold", run_path="/run/hold", instance="contract"),
        image_path="/srv/image",
        reopen=lambda: make_ports(world, Steps()).processes,
        learn=learn,
        lose_monitor=world.lose_monitor,
        events=ports.events,
        stir=lambda: world.hint(HintType.PROCESS, NOBODY),
    )
    assert world.violations == []


@asynccontextmanager
async def linux_containers(runtime: str, gates: Gates) -> AsyncIterator[ContainerPorts]:
    """Ports of Linux, in a test host; nothing of theirs is left at the end. An empty runtime lets them choose."""
    base_path = Path(tempfile.mkdtemp(prefix="contract-", dir="/run"))
    image_path = make_image(base_path / "image")
    layout = Layout(root_path=f"{base_path}/root", run_path=f"{base_path}/run", instance="contract")
    runner, cgroups = Runner(), Cgroups.find(layout.instance)
    mounts = VolumeMounts(layout=layout, runner=runner, drivers=no_drivers().volumes)

    rotator = LogRotator(layout=layout, defaults=LogDefaults(max_bytes=LOG_MAX_BYTES, max_files=3))

    def open_processes() -> OciProcesses:
        return OciProcesses(
            layout=layout,
            runner=runner,
            cgroups=cgroups,
            gates=gates,
            default_runtime=runtime,
            rotator=rotator,
        )

    ports = ContainerPorts(
        processes=open_processes(),
        texts=BundleTexts(layout=layout),
        freezer=CgroupFreezer(cgroups=cgroups),
        limits=CgroupLimits(cgroups=cgroups),
        roots=OverlayRoots(layout=layout, runner=runner),
        volumes=LocalVolumes(layout=layout, mounts=mounts),
        contents=VolumeFiles(layout=layout, runner=runner, mounts=mounts),
        layout=layout,
        image_path=image_path,
        reopen=open_processes,
        learn=lambda _name, _behaviour: None,
        lose_monitor=lambda uid: os.kill(Bundle(layout, uid).read_conmon_pid(), signal.SIGKILL),
        events=ProcessEvents(layout=layout, cgroups=cgroups),
        stir=lambda: _touch(Path(layout.exits_path, NOBODY)),
    )
    try:
        async with rotator:
            yield ports
    finally:
        await delete_all(ports)
        _clear_host(layout, cgroups, base_path)


def _touch(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch()


def make_image(path: Path) -> str:
    """Lay out a root file system with busybox and two users; returns its path."""
    (path / "bin").mkdir(parents=True)
    (path / "etc").mkdir()
    shutil.copy("/bin/busybox", path / "bin/busybox")
    subprocess.run(["chroot", str(path), "/bin/busybox", "--install", "-s", "/bin"], check=True)
    (path / "etc/passwd").write_text(PASSWD)
    (path / "etc/group").write_text(GROUP)
    return str(path)


async def delete_all(ports: ContainerPorts) -> None:
    """Remove every process and root."""
    for facts in await ports.processes.list():
        await ports.processes.delete(facts.uid)
    for root in await ports.roots.list():
        await ports.roots.unmount(root.uid)
        await ports.roots.delete(root.uid)


def _clear_host(layout: Layout, cgroups: Cgroups, base_path: Path) -> None:
    """Remove what stays by design: the mount around the roots, the cgroups around the containers'."""
    with contextlib.suppress(OSError):  # not mounted: there was no root
        syscalls.umount2(layout.roots_path, syscalls.MNT_DETACH)
    shutil.rmtree(base_path)
    for path in cgroups.mount_paths:
        with contextlib.suppress(FileNotFoundError):
            Path(path, cgroups.instance).rmdir()
