"""A machine in memory: what the fake ports act on, what tests break, and what must never happen to it."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from controller.model.facts import (
    AttachmentFacts,
    BridgeFacts,
    ImageFacts,
    ParentFacts,
    ProcessFacts,
    ProcessState,
    RootFacts,
)
from controller.model.health import Probe, ProbeOutcome
from controller.model.ids import Uid
from controller.model.limits import LimitFacts
from controller.model.resources import DEFAULT_CPU_PERIOD_US
from controller.model.wants import FirewallWant, NamesWant, ProcessWant, SubpathWant, VolumeMount
from controller.plan.oci.files import derive_texts_digest
from controller.ports import Hint, HintType

LINKS_LINGER_S = 0.04
"""How long the kernel takes to remove the host's ends of the links of a namespace that was dropped."""
FIRST_EPOCH_S = 1767225600.0
"""2026-01-01, the start of virtual time, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How a container's program behaves. `runs_s` None runs until a signal ends it."""

    runs_s: float | None = None
    exit_code: int = 0
    ignores_term: bool = False
    refusal: str = ""


@dataclass(slots=True, kw_only=True)
class FakeHealth:
    """What checks of a container find, how long each takes, and which were made."""

    outcome: ProbeOutcome = field(default_factory=lambda: ProbeOutcome(exit_code=0))
    takes_s: float = 0.0
    probes: list[Probe] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class FakeProcess:
    """A process that a runtime made."""

    want: ProcessWant
    facts: ProcessFacts
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class FakeWorld:
    """Kernel, disk and the hands of people who change them behind the daemon's back (`lose_`, `kill`, `flush_`)."""

    processes: dict[Uid, FakeProcess] = field(default_factory=dict)
    limits: dict[Uid, LimitFacts] = field(default_factory=dict)
    roots: dict[Uid, RootFacts] = field(default_factory=dict)
    namespaces: dict[Uid, bool] = field(default_factory=dict)
    id_bases: dict[Uid, int] = field(default_factory=dict)
    links: dict[tuple[Uid, str], AttachmentFacts] = field(default_factory=dict)
    bridges: dict[Uid, BridgeFacts] = field(default_factory=dict)
    parents: dict[str, ParentFacts] = field(default_factory=dict)
    volumes: dict[Uid, list[str]] = field(default_factory=dict)
    volume_mounts: dict[Uid, VolumeMount] = field(default_factory=dict)
    images: dict[str, ImageFacts] = field(default_factory=dict)
    archives: dict[str, str] = field(default_factory=dict)
    registry: dict[str, str] = field(default_factory=dict)
    firewall: FirewallWant | None = None
    names: NamesWant | None = None
    name_server_lives: bool = False
    joined: set[Uid] = field(default_factory=set)
    foreign: dict[str, str] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    health: defaultdict[str, FakeHealth] = field(default_factory=lambda: defaultdict(FakeHealth))
    violations: list[str] = field(default_factory=list)
    watched: set[Uid] = field(default_factory=set)
    hears_hints: bool = True
    listeners: list[Callable[[Hint], None]] = field(default_factory=list)
    next_pid: int = 1000

    def hint(self, kind: HintType, subject: str = "") -> None:
        """Tell whoever listens, as the kernel would."""
        if self.hears_hints:
            for listener in self.listeners:
                listener(Hint(type=kind, subject=subject))

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return FIRST_EPOCH_S + asyncio.get_running_loop().time()

    def violate(self, what: str) -> None:
        """Note something that must never happen."""
        self.violations.append(what)

    def choose_program(self, want: ProcessWant) -> Program:
        """Return how the container's program behaves."""
        return self.programs.get(want.name, Program())

    # --- processes -------------------------------------------------------------------------------------------------

    def make_process(self, want: ProcessWant) -> None:
        """Create, not start."""
        facts = ProcessFacts(
            uid=want.uid,
            state=ProcessState.CREATED,
            pid=self.next_pid,
            spec_hash=want.spec_hash,
            run=want.run,
            texts_digest=derive_texts_digest(want.files),
        )
        self.next_pid += 1
        self.processes[want.uid] = FakeProcess(want=want, facts=facts)
        self.limits[want.uid] = read_limits(want.config_json)

    def start_process(self, uid: Uid) -> None:
        """Let the program run."""
        process = self.processes[uid]
        program = self.choose_program(process.want)
        process.facts = replace(process.facts, state=ProcessState.RUNNING, started_at=self.now_s())
        if program.runs_s is not None:
            loop = asyncio.get_running_loop()
            process.timer = loop.call_later(program.runs_s, self.end_process, uid, program.exit_code)

    def end_process(self, uid: Uid, exit_code: int) -> None:
        """Let the program end by itself."""
        process = self.processes.get(uid)
        if process is None or process.facts.state is ProcessState.STOPPED:
            return
        if process.timer is not None:
            process.timer.cancel()
        process.facts = replace(
            process.facts,
            state=ProcessState.STOPPED,
            pid=0,
            exit_code=exit_code if process.facts.monitored else None,
            finished_at=self.now_s() if process.facts.monitored else None,
            monitored=True,
        )
        self.limits.pop(uid, None)
        if uid in self.watched:
            self.hint(HintType.PROCESS, uid)

    def find_uid(self, name: str) -> Uid:
        """Return the uid of the container whose process has this name."""
        return next(uid for uid, process in self.processes.items() if process.want.name == name)

    def list_volume_users(self, volume: Uid) -> list[Uid]:
        """Return the containers for which a volume with options is mounted."""
        return [
            uid
            for uid, process in self.processes.items()
            for staged in process.want.staged
            if isinstance(staged, SubpathWant) and staged.is_mounted and f"/{volume}/" in staged.root_path
        ]

    def is_alive(self, uid: Uid) -> bool:
        """Tell whether a program runs or is about to."""
        process = self.processes.get(uid)
        return process is not None and process.facts.state is not ProcessState.STOPPED

    # --- what people do behind the daemon's back --------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """Kill -9 a container's process."""
        self.end_process(self.find_uid(name), 137)

    def lose_monitor(self, uid: Uid) -> None:
        """Kill the monitor of a process that lives on."""
        process = self.processes[uid]
        process.facts = replace(process.facts, monitored=False)
        if uid in self.watched:
            self.hint(HintType.PROCESS, uid)

    def lose_links(self, uid: Uid) -> None:
        """Delete a container's links."""
        for key in [key for key in self.links if key[0] == uid]:
            del self.links[key]
        self.hint(HintType.ATTACHMENT, uid)

    def lose_bridge(self, network: Uid) -> None:
        """Delete a network's bridge."""
        bridge = self.bridges.pop(network)
        self.unplug(bridge.name)
        self.hint(HintType.BRIDGE, network)

    def plug_parent(self, name: str) -> None:
        """Add a link to the host."""
        self.parents[name] = ParentFacts(name=name, up=True)
        self.hint(HintType.LINK, name)

    def lose_parent(self, name: str) -> None:
        """Delete a link of the host, with its VLANs and all that hangs below."""
        for vlan in [each.name for each in self.parents.values() if each.vlan and each.vlan.lower == name]:
            self.lose_parent(vlan)
        self.parents.pop(name, None)
        for key, link in list(self.links.items()):
            if link.sublink is not None and link.sublink.parent == name:
                del self.links[key]
                self.hint(HintType.ATTACHMENT, key[0])
        self.hint(HintType.LINK, name)

    def unplug(self, bridge: str) -> None:
        """Leave the ports of a bridge without one."""
        for key, link in self.links.items():
            if link.bridge == bridge:
                self.links[key] = replace(link, bridge="")
                self.hint(HintType.ATTACHMENT, key[0])

    def lose_addresses(self, uid: Uid) -> None:
        """Flush addresses and routes inside a container."""
        for key, link in self.links.items():
            if key[0] == uid:
                self.links[key] = replace(link, addresses=(), gateway="")
        self.hint(HintType.ATTACHMENT, uid)

    def drop_links(self, uid: Uid) -> None:
        """Let a container's links go the way they do when their namespace goes."""
        for key in [key for key in self.links if key[0] == uid]:
            lost = replace(self.links[key], inside="", inside_up=False, addresses=(), gateway="")
            self.links[key] = lost
            asyncio.get_running_loop().call_later(LINKS_LINGER_S, self._remove_link, key)

    def _remove_link(self, key: tuple[Uid, str]) -> None:
        link = self.links.get(key)
        if link is not None and not link.inside:
            del self.links[key]

    def lose_mount(self, uid: Uid) -> None:
        """Unmount a root."""
        self.roots[uid] = replace(self.roots[uid], mounted=False, lower_paths=())
        self.hint(HintType.ROOT, uid)

    def edit_limits(self, uid: Uid, facts: LimitFacts) -> None:
        """Write other limits into a cgroup."""
        self.limits[uid] = facts
        self.hint(HintType.LIMITS, uid)

    def flush_firewall(self) -> None:
        """Flush all rules."""
        self.firewall = None
        self.hint(HintType.FIREWALL)

    def kill_name_server(self) -> None:
        """Kill the name server."""
        self.name_server_lives = False
        self.hint(HintType.NAMES)

    def reboot(self) -> None:
        """Lose everything that does not survive a reboot."""
        for process in self.processes.values():
            if process.timer is not None:
                process.timer.cancel()
        for volatile in (
            self.processes,
            self.limits,
            self.namespaces,
            self.links,
            self.bridges,
            self.volume_mounts,
        ):
            volatile.clear()
        self.parents = {name: each for name, each in self.parents.items() if each.network is None}
        self.firewall = self.names = None
        self.name_server_lives = False
        self.watched.clear()
        self.joined.clear()
        self.roots = {
            uid: RootFacts(uid=uid, mounted=False, has_upper=True)
            for uid, root in self.roots.items()
            if root.has_upper
        }


def read_limits(config_json: str) -> LimitFacts:
    """Return the limits that an OCI configuration sets."""
    resources = json.loads(config_json).get("linux", {}).get("resources", {})
    cpu, memory = resources.get("cpu", {}), resources.get("memory", {})
    quota, period = cpu.get("quota"), cpu.get("period")
    swap = memory.get("swap")
    return LimitFacts(
        memory_bytes=memory.get("limit"),
        memory_swap_bytes=None if swap == -1 else swap,
        memory_reservation_bytes=memory.get("reservation"),
        memory_swappiness=memory.get("swappiness"),
        oom_kill_disable=memory.get("disableOOMKiller", False),
        cpus=quota / period if quota and period else None,
        cpu_period_us=None if period == DEFAULT_CPU_PERIOD_US else period,
        cpu_shares=cpu.get("shares"),
        cpuset_cpus=cpu.get("cpus"),
        cpuset_mems=cpu.get("mems"),
        pids=resources.get("pids", {}).get("limit"),
    )
