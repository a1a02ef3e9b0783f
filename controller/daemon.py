"""The composition root: `hold daemon`.

Order of start: directories and lock, store, kernel adapters, loops, API, watched directory; then the service manager is
told. Ending is the reverse and touches no container. Being killed at any moment is as good: the next start finds its way.
"""

import argparse
import asyncio
import collections
import contextlib
import gc
import importlib.metadata
import logging
import os
import random
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from controller.api.admission import Gate
from controller.api.convert import draft_of
from controller.api.image_library import ImageParts
from controller.api.server import InsideParts, Services, serving
from controller.api.state_service import StateParts
from controller.errors import AlreadyExists, Exhausted, HoldError, InUse, Invalid
from controller.images.commits import LayerCommits
from controller.images.pull import Puller
from controller.images.pulls import BackgroundPulls
from controller.images.push import Pusher
from controller.images.registries import RegistryAccess
from controller.images.registry.back_off import Patience
from controller.images.registry.client import RegistryClient, RegistryOptions
from controller.images.registry_checks import RegistryDiagnostics
from controller.images.store import ImageStore
from controller.kernel.allocation import keep_one_arena
from controller.kernel.assembly import KernelOptions, Others, open_linux
from controller.kernel.clock import SystemClock
from controller.kernel.diagnostics import HostDiagnostics
from controller.kernel.disk_usage import LocalDiskUsage
from controller.kernel.host_boot import read_boot_id, read_machine_id
from controller.kernel.lock import exclusive, exclusive_instance
from controller.kernel.log_format import configure_logging
from controller.kernel.notify import ServiceManager, find_service_manager
from controller.kernel.sandbox.host import find_reason_against, run_in_host
from controller.kernel.subprocesses import Runner
from controller.kernel.unpack.unpacker import ChrootUnpacker, UnpackLimits
from controller.manifests.load import LoadedResource
from controller.manifests.watch import MANAGER_PREFIX, ManifestDirectory, NoSources
from controller.model.changes import Draft, EventType
from controller.model.ids import Key
from controller.model.network import NetworkSpec
from controller.model.network_settings import IPV6_SUBNET_PREFIX
from controller.plan.addresses import AddressPool, AddressPools, derive_unique_local
from controller.plan.admission import DEFAULT_NETWORK, ApplyBatch
from controller.plugins.assembly import open_drivers
from controller.plugins.plugin import Caller
from controller.plugins.registry import PluginOptions
from controller.reconcile.dangling import DanglingImages
from controller.reconcile.engine import ReconcileOptions, Reconciler
from controller.reconcile.forecaster import LoopForecaster
from controller.settings import Settings, list_flags, load_settings
from controller.store.database import derive_url
from controller.store.store import SqlStore, open_store

LOG = logging.getLogger("hold")

OWN_MANAGER = "hold"
EXIT_FAILED = 1
EXIT_USAGE = 2


def run_daemon(arguments: Sequence[str]) -> int:
    """Run the daemon until it is told to end; returns the exit code."""
    options = vars(_make_parser().parse_args(arguments))
    sandboxed = options.pop("sandbox")
    flags = {name: text for name, text in options.items() if text is not None}
    try:
        settings = load_settings(flags, os.environ)
        if sandboxed:
            return _run_sandboxed(settings)
        return _run(settings)
    except HoldError as error:
        print(f"hold daemon: {error.message}", file=sys.stderr)
    except ExceptionGroup as group:  # raised while tasks ran
        told = _list_told(group)
        if not told:
            raise
        print("\n".join(f"hold daemon: {message}" for message in told), file=sys.stderr)
    return EXIT_FAILED


def _list_told(group: ExceptionGroup[Exception]) -> list[str]:
    """Return what a group of errors comes to in words; nothing when there is one among them that is a fault of ours."""
    told: list[str] = []
    for error in group.exceptions:
        inner = _list_told(error) if isinstance(error, ExceptionGroup) else []
        if isinstance(error, HoldError):
            inner = [error.message]
        if not inner:
            return []
        told += inner
    return told


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hold daemon",
        description="Keep the kernel as declared.",
        epilog="Every flag can also be set as HOLD_NAME in the environment, or as nameInCamelCase in the file.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", metavar="FILE", help="Configuration file; /etc/hold/daemon.yaml if there is one."
    )
    for flag, name, description in list_flags():
        parser.add_argument(flag, dest=name, metavar="VALUE", help=description)
    parser.add_argument(
        "--sandbox",
        action="store_true",
        help="Run in a throw-away host of namespaces: nothing of this host is touched.",
    )
    return parser


def _run_sandboxed(settings: Settings) -> int:
    reason = find_reason_against()
    if reason is not None:
        print(f"hold daemon: a sandbox can't be made: it {reason}", file=sys.stderr)
        return EXIT_FAILED
    if settings.socket_path.startswith("/run/"):
        print(
            "hold daemon: the sandbox has a /run of its own, where nobody outside finds the socket: "
            "name another place by --run or --listen",
            file=sys.stderr,
        )
        return EXIT_USAGE
    return run_in_host(lambda: _run(settings), hostname="hold-sandbox")


def _run(settings: Settings) -> int:
    configure_logging(settings.log_level)
    os.umask(0o022)
    _allow_many_files()
    keep_one_arena()
    with exclusive(Path(settings.root)), exclusive(Path(settings.run)):
        Path(settings.run).chmod(0o755)
        return asyncio.run(_serve(settings))


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: each container takes a few sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(settings: Settings) -> int:
    """Build every part, serve until a signal asks for the end."""
    clock, runner, layout = SystemClock(), Runner(), settings.layout
    started_at = clock.now()
    manager = find_service_manager()
    images = _make_images(settings, runner)
    async with contextlib.AsyncExitStack() as stack:
        await images.open()
        client = _make_registry_client(settings, clock)
        registries = _make_registries(settings, images, client)
        pulls = await stack.enter_async_context(BackgroundPulls(registries, now=clock.now))
        store = await stack.enter_async_context(
            open_store(settings.database or derive_url(layout.database_path), clock)
        )
        stack.enter_context(exclusive_instance(settings.instance))
        plugins = await stack.enter_async_context(open_drivers(_make_plugin_options(settings)))
        others = Others(images=images, pulls=pulls, drivers=plugins.drivers, plugin_events=plugins.events)
        linux = await stack.enter_async_context(
            open_linux(layout, _make_kernel_options(settings), runner=runner, others=others)
        )
        gate = Gate(store=store, host=linux.host, clock=clock, pools=_make_pools(settings))
        await _declare_default_network(gate, settings.default_network)
        reconcile_options = ReconcileOptions(
            draw=random.SystemRandom().random, resync_interval_s=settings.resync_interval_s
        )
        reconciler = Reconciler(linux.ports, store, clock, layout, reconcile_options, admission=gate)
        await reconciler.recover()
        sources = _make_sources(settings, gate, store)
        services = Services(
            gate=gate,
            state=StateParts(
                events=store,
                forecaster=LoopForecaster(linux.ports, store, clock, layout),
                sources=sources,
            ),
            sessions=linux.sessions,
            processes=linux.ports.processes,
            inside=InsideParts(
                files=linux.files,
                gauges=linux.gauges,
                freezer=linux.ports.freezer,
                commits=LayerCommits(images=images),
            ),
            importer=images,
            archives=images,
            volumes=linux.ports.volume_contents,
            images=ImageParts(
                contents=images,
                dangling=DanglingImages(kernel=linux.ports, store=store, layout=layout),
                usage=LocalDiskUsage(layout=layout),
            ),
            registries=registries,
            diagnostics=RegistryDiagnostics(_make_diagnostics(settings, runner, started_at), client=client),
            layout=layout,
            log_defaults=settings.log_defaults,
        )
        await stack.enter_async_context(serving(services, socket_path=settings.socket_path))
        await _run_until_told(reconciler, images, sources, manager)
    return 0


def _make_images(settings: Settings, runner: Runner) -> ImageStore:
    limits = UnpackLimits(most_bytes=settings.layer_max_size_bytes, most_entries=settings.layer_max_entries)
    unpacker = ChrootUnpacker(runner=runner, limits=limits)
    return ImageStore(layout=settings.layout, unpacker=unpacker, boot_id=read_boot_id())


def _make_diagnostics(settings: Settings, runner: Runner, started_at: datetime) -> HostDiagnostics:
    return HostDiagnostics(
        layout=settings.layout,
        runner=runner,
        default_runtime=settings.runtime,
        resolv_conf_path=settings.resolv_conf,
        started_at=started_at,
    )


def _make_plugin_options(settings: Settings) -> PluginOptions:
    caller = Caller(
        instance=settings.instance,
        version=importlib.metadata.version("hold"),
        timeout_s=settings.plugin_timeout_s,
    )
    return PluginOptions(directory_path=settings.layout.plugins_path, caller=caller, sockets=settings.plugins)


def _make_registry_client(settings: Settings, clock: SystemClock) -> RegistryClient:
    options = RegistryOptions(
        registries=settings.registries,
        certificate_directories=settings.registry_certificates,
        keys_path=settings.registry_logins,
        patience=Patience(
            silence_s=settings.registry_timeout_s, least_rate_bytes=settings.registry_least_rate_bytes
        ),
        environment=os.environ,
    )
    return RegistryClient(options, now=clock.now)


def _make_registries(settings: Settings, images: ImageStore, client: RegistryClient) -> RegistryAccess:
    return RegistryAccess(
        client=client,
        puller=Puller(client=client, store=images, layers_at_once=settings.max_concurrent_downloads),
        pusher=Pusher(client=client, store=images, layers_at_once=settings.max_concurrent_uploads),
    )


def _make_sources(settings: Settings, gate: Gate, store: SqlStore) -> ManifestDirectory | NoSources:
    if settings.manifests is None:
        return NoSources()
    return ManifestDirectory(
        directory_path=Path(settings.manifests),
        applier=StoreApplier(gate=gate, store=store),
        clock=gate.clock,
    )


async def _run_until_told(
    reconciler: Reconciler,
    images: ImageStore,
    sources: ManifestDirectory | NoSources,
    manager: ServiceManager,
) -> None:
    """Run the loops until SIGTERM or SIGINT; SIGUSR1 asks for a resync."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGUSR1, reconciler.resync)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(reconciler.run()), tasks.create_task(images.run())]
        if isinstance(sources, ManifestDirectory):
            running.append(tasks.create_task(sources.run()))
        running.append(tasks.create_task(_feed_watchdog(manager)))
        manager.ready()
        gc.collect()
        gc.freeze()  # what was loaded stays, so nobody needs to look for garbage in it again
        LOG.info("daemon serves", extra={"version": importlib.metadata.version("hold"), "pid": os.getpid()})
        await told.wait()
        manager.stopping()
        LOG.info("daemon ends; containers go on")
        for task in running:
            task.cancel()


async def _feed_watchdog(manager: ServiceManager) -> None:
    """Tell the service manager that the event loop turns."""
    interval_s = manager.watchdog_interval_s
    while interval_s is not None:
        manager.alive()
        await asyncio.sleep(interval_s)


def _make_kernel_options(settings: Settings) -> KernelOptions:
    return KernelOptions(
        default_runtime=settings.runtime,
        resolv_conf_path=settings.resolv_conf,
        log_defaults=settings.log_defaults,
        container_defaults=settings.container_defaults,
    )


def _make_pools(settings: Settings) -> AddressPools:
    """Return where subnets come from; unique local ones differ from machine to machine and stay the same on each."""
    machine = f"{read_machine_id()} {settings.instance} {settings.root}"
    ipv6 = settings.address_pool_ipv6 or derive_unique_local(machine)
    return AddressPools(
        ipv4=AddressPool(networks=settings.address_pool, prefix=settings.address_pool_prefix),
        ipv6=AddressPool(networks=(ipv6,), prefix=IPV6_SUBNET_PREFIX),
    )


async def _declare_default_network(gate: Gate, spec: NetworkSpec) -> None:
    """Make sure of the network that containers join which name none, unless somebody else declares it.

    While containers use it, other settings than it was made with wait for a later start. Invalid when it can't be made.
    """
    key = Key("Network", DEFAULT_NETWORK)
    stored = gate.store.snapshot().get(key)
    if stored is not None and stored.metadata.manager != OWN_MANAGER:
        return
    draft = Draft(key=key, spec=spec, labels={}, annotations={})
    try:
        await gate.apply(ApplyBatch(drafts=(draft,), manager=OWN_MANAGER))
    except (InUse, AlreadyExists, Exhausted) as error:
        if stored is None:
            settings = "bip, fixedCidr, bip6, fixedCidrV6, addressPool"
            raise Invalid(f"there is no room for the default bridge ({settings}): {error.message}") from error
        LOG.warning("settings of the default bridge wait", extra={"error": error.message})


class StoreApplier:
    """Joins the watched directory with the store: implements `controller.manifests.watch.SourceApplier`."""

    def __init__(self, *, gate: Gate, store: SqlStore) -> None:
        self._gate = gate
        self._store = store

    def count_objects(self) -> Mapping[str, int]:
        """Return, by manager, how many objects there are that are not being deleted."""
        return collections.Counter(
            each.metadata.manager
            for each in self._store.snapshot().values()
            if each.metadata.deleted_at is None
        )

    async def apply(self, manager: str, loaded: Sequence[LoadedResource]) -> None:
        """Make the manager's objects exactly those."""
        drafts = tuple(draft_of(each.resource) for each in loaded)
        await self._gate.apply(ApplyBatch(drafts=drafts, manager=manager, prune=True))

    async def report(self, source: str, message: str) -> None:
        """Record an event, and a line in the log."""
        name = MANAGER_PREFIX + source
        if message:
            LOG.warning("source can't be applied", extra={"source": name, "error": message})
            await self._store.record(None, None, EventType.WARNING, "SourceFailed", f"{name}: {message}")
        else:
            await self._store.record(
                None, None, EventType.NORMAL, "SourceRecovered", f"{name} is applied again"
            )
