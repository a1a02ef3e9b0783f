"""All adapters to Linux, put together once for a daemon."""

import contextlib
import platform
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.freezer import CgroupFreezer
from controller.kernel.cgroups.gauges import KernelGauges
from controller.kernel.cgroups.limits import CgroupLimits
from controller.kernel.devices import read_devices
from controller.kernel.files.container_files import ChildFiles
from controller.kernel.health.probe_helper import ProbeHelper
from controller.kernel.health.probes import ContainerProbes
from controller.kernel.host_view import KernelHostView
from controller.kernel.logs.rotation import LogRotator
from controller.kernel.merged_events import MergedEvents
from controller.kernel.names.name_server import KernelNameServer
from controller.kernel.network.attachments import KernelAttachments
from controller.kernel.network.bridges import KernelBridges
from controller.kernel.network.container_links import ContainerLinks
from controller.kernel.network.firewall import KernelFirewall
from controller.kernel.network.given_links import GivenLinks
from controller.kernel.network.insides import Insides
from controller.kernel.network.marked_links import MarkedLinks
from controller.kernel.network.namespaces import KernelNamespaces
from controller.kernel.network.network_events import NetworkEvents
from controller.kernel.network.parents import KernelParents
from controller.kernel.network.rule_generations import RuleGenerations
from controller.kernel.network.sublinks import KernelSublinks
from controller.kernel.processes.gates import Gates
from controller.kernel.processes.process_events import ProcessEvents
from controller.kernel.processes.processes import OciProcesses
from controller.kernel.processes.sessions import ContainerSessions
from controller.kernel.processes.texts import BundleTexts
from controller.kernel.roots.roots import OverlayRoots
from controller.kernel.subprocesses import Runner
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.layout import Layout
from controller.plan.checks import INIT_PROGRAMS
from controller.plan.logs import LogDefaults
from controller.plan.oci.defaults import ContainerDefaults
from controller.plan.oci.surroundings import HostTexts
from controller.ports import HostView, Images, KernelEvents, KernelPorts, Pulls, Sessions
from controller.ports.files import ContainerFiles
from controller.ports.gauges import Gauges
from controller.ports.plugins import Drivers


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelOptions:
    """What can be set about the adapters; an empty runtime is chosen by the host's cgroup layout."""

    default_runtime: str
    resolv_conf_path: str
    log_defaults: LogDefaults
    container_defaults: ContainerDefaults


class EndingPulls(Pulls, KernelEvents, Protocol):
    """Pulls that tell of their ends among the kernel's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What the loops act through besides the kernel; plugins and pulls tell of theirs among the kernel's events."""

    images: Images
    pulls: EndingPulls
    drivers: Drivers
    plugin_events: KernelEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Linux:
    """The adapters, for the loops (`ports`) and for the API."""

    ports: KernelPorts
    sessions: Sessions
    files: ContainerFiles
    gauges: Gauges
    host: HostView


@contextlib.asynccontextmanager
async def open_linux(
    layout: Layout, options: KernelOptions, *, runner: Runner, others: Others
) -> AsyncIterator[Linux]:
    """Build every adapter for the length of the block; containers go on after it."""
    cgroups, gates, insides = Cgroups.find(layout.instance), Gates(), Insides(layout=layout)
    marked = MarkedLinks(layout=layout, insides=insides)
    names = KernelNameServer(layout=layout, runner=runner, resolv_conf_path=options.resolv_conf_path)
    volume_mounts = VolumeMounts(layout=layout, runner=runner, drivers=others.drivers.volumes)
    volumes = LocalVolumes(layout=layout, mounts=volume_mounts)
    await volumes.open()
    rotator = LogRotator(layout=layout, defaults=options.log_defaults)
    roots = OverlayRoots(layout=layout, runner=runner)
    sessions = ContainerSessions(layout=layout, runner=runner, cgroups=cgroups, gates=gates)
    helper = ProbeHelper(runner=runner)
    generations = RuleGenerations()
    process_events = ProcessEvents(layout=layout, cgroups=cgroups)
    network_events = NetworkEvents(layout=layout, insides=insides, names=names, generations=generations)
    ports = KernelPorts(
        processes=OciProcesses(
            layout=layout,
            runner=runner,
            cgroups=cgroups,
            gates=gates,
            default_runtime=options.default_runtime,
            rotator=rotator,
        ),
        texts=BundleTexts(layout=layout),
        freezer=CgroupFreezer(cgroups=cgroups),
        probes=ContainerProbes(layout=layout, cgroups=cgroups, helper=helper, sessions=sessions),
        limits=CgroupLimits(cgroups=cgroups),
        roots=roots,
        namespaces=KernelNamespaces(layout=layout, insides=insides, runner=runner),
        bridges=KernelBridges(layout=layout),
        parents=KernelParents(layout=layout),
        attachments=ContainerLinks(
            pairs=KernelAttachments(layout=layout, insides=insides),
            sublinks=KernelSublinks(layout=layout, insides=insides, marked=marked),
            given=GivenLinks(layout=layout, insides=insides, drivers=others.drivers.networks, marked=marked),
            marked=marked,
        ),
        firewall=KernelFirewall(layout=layout, runner=runner, generations=generations),
        names=names,
        volumes=volumes,
        volume_contents=VolumeFiles(layout=layout, runner=runner, mounts=volume_mounts),
        images=others.images,
        pulls=others.pulls,
        drivers=others.drivers,
        events=MergedEvents(sources=(process_events, network_events, others.pulls, others.plugin_events)),
        read_host_texts=lambda: read_host_texts(options.resolv_conf_path, options.container_defaults),
        read_devices=read_devices,
    )
    async with rotator, sessions, helper:
        files = ChildFiles(layout=layout, runner=runner, roots=roots, cgroups=cgroups)
        yield Linux(
            ports=ports,
            sessions=sessions,
            files=files,
            gauges=KernelGauges(cgroups=cgroups, runner=runner),
            host=KernelHostView(layout=layout),
        )


def read_host_texts(resolv_conf_path: str, defaults: ContainerDefaults) -> HostTexts:
    """Return the host's own texts, as containers on its network see them, with what the settings say."""
    return HostTexts(
        resolv_conf=_read_text(resolv_conf_path),
        hosts=_read_text("/etc/hosts"),
        hostname=socket.gethostname(),
        machine=platform.machine(),
        kernel_release=platform.release(),
        init_path=next((path for path in map(shutil.which, INIT_PROGRAMS) if path), ""),
        defaults=defaults,
    )


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
