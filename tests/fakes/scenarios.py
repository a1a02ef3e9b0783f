"""Stories of users: each ends in a state that must come about, whatever happens on the way."""

from collections.abc import Awaitable, Callable, Mapping

from controller.model.ids import Key
from controller.model.image import ImageSource, ImageSpec
from controller.model.limits import LimitFacts
from controller.model.network import NetworkSpec
from controller.model.volume import ContentSource, VolumeSpec
from tests.fakes.simulation import Simulation, draft_container, draft_shop, make_draft
from tests.fakes.world import Program

Step = Callable[[Simulation], Awaitable[object] | None]
Story = tuple[Step, ...]
"""Steps in order; between two of them the loops have time to settle, or not, as the test wants."""

WEB = Key("Container", "web")
PULLED = "reg.example/web:1"
FULL = {
    "ports": ["8080:80"],
    "mounts": ["data:/data"],
    "restart": "always",
    "resources": {"memory": "64MiB", "cpus": 0.5, "pids": 64},
}


DISKS = {"cpuShares": 512, "blockIO": {"weight": 300, "devices": {"/dev/vda": {"readBps": "1MiB"}}}}


def _apply(**fields: object) -> Step:
    return lambda sim: sim.apply(*draft_shop(), draft_container("web", **{**FULL, **fields}))


def _delete(*keys: Key, grace_period_s: float | None = None, cascade: bool = False) -> Step:
    return lambda sim: sim.delete(*keys, grace_period_s=grace_period_s, cascade=cascade)


def _break(breakage: Callable[[Simulation], None]) -> Step:
    """Break something, once it is there."""

    def step(sim: Simulation) -> None:
        if sim.world.processes:
            breakage(sim)

    return step


def _program(name: str, program: Program) -> Step:
    def step(sim: Simulation) -> None:
        sim.world.programs[name] = program

    return step


def _ipv6_alone(*names: str) -> Step:
    nets = (make_draft(Key("Network", "six"), NetworkSpec(enable_ipv4=False, enable_ipv6=True)),)
    return lambda sim: sim.apply(
        *draft_shop(), *nets, draft_container("web", **{**FULL, "networks": list(names)})
    )


def _two_networks(*names: str) -> Step:
    nets = (make_draft(Key("Network", "back"), NetworkSpec(internal=True)),)
    return lambda sim: sim.apply(
        *draft_shop(), *nets, draft_container("web", **{**FULL, "networks": list(names)})
    )


def _dependants(sim: Simulation) -> Awaitable[object]:
    sim.world.programs["job"] = Program(runs_s=2.0)
    return sim.apply(
        *draft_shop(),
        draft_container("web", dependsOn={"db": {}, "job": {"condition": "completed"}}),
        draft_container("db"),
        draft_container("job"),
    )


def _host_mode(sim: Simulation) -> Awaitable[object]:
    return sim.apply(*draft_shop(), draft_container("web", networkMode="host"))


def _new_image(sim: Simulation) -> Awaitable[object]:
    sim.world.archives["/images/two.tar"] = "two"
    image = ImageSpec(source=ImageSource(archive="/images/two.tar"))
    return sim.apply(
        *draft_shop(), make_draft(Key("Image", "two:1"), image), draft_container("web", **FULL, image="two:1")
    )


def _pull(content: str, **fields: object) -> Step:
    """Run an image that nobody declares; the registry has this content for it."""

    def step(sim: Simulation) -> Awaitable[object]:
        sim.world.registry[PULLED] = content
        return sim.apply(draft_container("web", image=PULLED, networkMode="none", **fields))

    return step


def _move_reference(sim: Simulation) -> Awaitable[object]:
    sim.world.registry["reg.example/web:2"] = "two"
    image = ImageSpec(source=ImageSource(registry="reg.example/web:2"))
    return sim.apply(make_draft(Key("Image", PULLED), image))


def _volumes(**fields: object) -> Step:
    """Run on a volume in memory and a plain one, of which a third one is a copy."""
    memory = VolumeSpec(driver_options={"type": "tmpfs", "device": "tmpfs"})
    mounts = ["memory:/memory", "plain:/plain"]
    return lambda sim: sim.apply(
        *draft_shop(),
        make_draft(Key("Volume", "memory"), memory),
        make_draft(Key("Volume", "plain"), VolumeSpec()),
        make_draft(Key("Volume", "copy"), VolumeSpec(source=ContentSource(volume="plain"))),
        draft_container("web", **{**FULL, "mounts": mounts, **fields}),
    )


def _below_parent(*names: str) -> Step:
    """Join networks below a link of the host, which is there."""

    def step(sim: Simulation) -> Awaitable[object]:
        if "eth0" not in sim.world.parents:
            sim.world.plug_parent("eth0")
        drafts = (
            make_draft(Key("Network", name), NetworkSpec(driver="macvlan", driver_options={"parent": parent}))
            for name, parent in (("lan", "eth0.50"), ("wan", "eth0"))
        )
        return sim.apply(*draft_shop(), *drafts, draft_container("web", **{**FULL, "networks": list(names)}))

    return step


def _replug(sim: Simulation) -> None:
    sim.world.lose_parent("eth0")
    sim.world.plug_parent("eth0")


def _driven(*networks: str, **fields: object) -> Step:
    """Join networks, the one of a plugin among them, with a plugin's volume."""

    def step(sim: Simulation) -> Awaitable[object]:
        sim.plugins.start("odd")
        mounts = {"mounts": ["books:/books"], "networks": list(networks)}
        return sim.apply(
            *draft_shop(),
            make_draft(Key("Network", "loom"), NetworkSpec(driver="odd")),
            make_draft(Key("Volume", "books"), VolumeSpec(driver="odd")),
            draft_container("web", **{**FULL, **mounts, **fields}),
        )

    return step


STORIES: Mapping[str, Story] = {
    "create and delete": (
        _apply(),
        _delete(WEB),
        _delete(Key("Network", "shop"), Key("Volume", "data"), Key("Image", "web:1")),
    ),
    "delete all by force": (_apply(), _delete(Key("Network", "shop"), grace_period_s=0.0, cascade=True)),
    "update in place": (
        _apply(),
        _apply(resources={"memory": "32MiB"}, ports=["8081:80"], restart="no"),
        _two_networks("shop", "back"),
        _two_networks("back"),
        _two_networks("back", "shop"),
    ),
    "recreate": (_apply(), _apply(command=["other"], environment={"A": "1"}), _new_image),
    "stop, start, restart": (
        _apply(),
        _apply(desired="stopped"),
        _apply(),
        _apply(run=3),
        _apply(desired="paused"),
        _apply(desired="stopped", run=3),
        _apply(desired="running", run=4),
    ),
    "a program that ignores its signal": (
        _program("web", Program(ignores_term=True)),
        _apply(stopGracePeriod="3s"),
        _apply(stopGracePeriod="3s", desired="stopped"),
        _apply(stopGracePeriod="3s"),
        _delete(WEB),
    ),
    "drift of a container": (
        _apply(),
        _break(lambda sim: sim.world.kill("web")),
        _break(lambda sim: sim.world.lose_links(sim.uid(WEB))),
        _break(lambda sim: sim.world.lose_addresses(sim.uid(WEB))),
        _break(lambda sim: sim.world.edit_limits(sim.uid(WEB), LimitFacts(pids=3))),
    ),
    "drift of the host": (
        _apply(),
        _break(lambda sim: sim.world.lose_bridge(sim.uid(Key("Network", "shop")))),
        _break(lambda sim: sim.world.flush_firewall()),
        _break(lambda sim: sim.world.kill_name_server()),
    ),
    "limits of disks, a health check": (
        _apply(resources=DISKS, healthcheck={"test": "true", "interval": 1}),
        _break(lambda sim: sim.world.edit_limits(sim.uid(WEB), LimitFacts(cpu_shares=3))),
        _apply(resources={"pids": 9, "cpuShares": 7}, healthcheck={"tcp": {"port": 80}, "interval": 2}),
        _break(lambda sim: sim.world.kill("web")),
        _apply(resources=DISKS, healthcheck={"test": ["NONE"]}),
    ),
    "a mount lost": (
        _apply(),
        _apply(desired="stopped"),
        lambda sim: sim.world.lose_mount(sim.uid(WEB)) if sim.world.roots else None,
    ),
    "dependencies": (_dependants, _delete(WEB, Key("Container", "db"), Key("Container", "job"))),
    "an image of a registry": (
        _pull("one"),
        _pull("newer", pullPolicy="always", command=["other"]),
        _move_reference,
        _delete(WEB, Key("Image", PULLED)),
    ),
    "volumes mounted, volumes copied": (
        _volumes(),
        _volumes(mounts=["plain:/plain"]),
        _delete(WEB, *(Key("Volume", name) for name in ("memory", "plain", "copy"))),
    ),
    "a network of ipv6 alone": (_ipv6_alone("six"), _ipv6_alone("six", "shop"), _ipv6_alone("six")),
    "networks below a parent": (
        _below_parent("lan", "shop"),
        _break(_replug),
        _delete(WEB, Key("Network", "lan"), Key("Network", "wan")),
    ),
    "what plugins make": (
        _driven("loom"),
        _driven("shop"),
        _delete(WEB, Key("Network", "loom"), Key("Volume", "books")),
    ),
    "host's network": (_apply(), _host_mode, _apply()),
}
