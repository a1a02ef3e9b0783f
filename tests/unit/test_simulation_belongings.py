"""What containers have of their image and of one another: volumes without a name, exposed ports, mounts, namespaces."""

import json
from pathlib import Path
from typing import Any

import pytest

from controller.errors import InUse, Invalid
from controller.model.container import Phase
from controller.model.ids import Key
from controller.model.image import ImageConfig, ImageSource, ImageSpec
from controller.model.volume import ANONYMOUS_LABEL
from controller.plan.admission import list_anonymous_volumes
from tests.fakes.simulation import Simulation, draft_container, draft_shop, make_draft, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.fakes.world import Program

WEB, OTHER = Key("Container", "web"), Key("Container", "other")
CONFIG = ImageConfig(exposed_ports=("80/tcp", "53/udp"), volumes=("/data", "/cache"))
IMAGE = make_draft(
    Key("Image", "web:1"), ImageSpec(source=ImageSource(archive="/images/web.tar"), config=CONFIG)
)


def _list_volumes(sim: Simulation) -> dict[str, str]:
    """Return the volumes that nobody named, with the container that each was made for."""
    labels = {
        key.name: found.metadata.labels for key, found in sim.store.snapshot().items() if key.kind == "Volume"
    }
    return {name: found[ANONYMOUS_LABEL] for name, found in labels.items() if ANONYMOUS_LABEL in found}


def _read_config(sim: Simulation, name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(sim.world.processes[sim.uid(Key("Container", name))].want.config_json)
    return config


def _find_sources(sim: Simulation, name: str) -> dict[str, str]:
    return {mount["destination"]: mount["source"] for mount in _read_config(sim, name)["mounts"]}


def _read_hosts(sim: Simulation, name: str) -> str:
    return dict(sim.world.processes[sim.uid(Key("Container", name))].want.files)["hosts"]


def test_volumes_of_the_image_are_made_and_kept(tmp_path: Path) -> None:
    """Also when the image comes only after the container was declared."""

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            mounts = [{"type": "tmpfs", "target": "/cache"}, {"type": "volume", "target": "/own"}]
            await sim.apply(*draft_shop()[:2], IMAGE, draft_container("web", mounts=mounts))
            await sim.settle()
            uid = sim.uid(WEB)
            volumes = _list_volumes(sim)
            assert list(volumes.values()) == [uid, uid]
            assigned = sim.container("web").assigned
            assert assigned is not None
            assert assigned.volumes.keys() == {"/own", "/data"}
            sources = _find_sources(sim, "web")
            data = sim.uid(Key("Volume", assigned.volumes["/data"]))
            assert sources["/data"] == sim.layout.volume_path(data)
            pid = sim.container("web").status.pid
            await sim.apply(draft_container("web", mounts=mounts))
            await sim.settle()
            assert (sim.container("web").status.pid, _list_volumes(sim)) == (pid, volumes)
            assert sim.faults() == []

    run_virtually(main)


def test_a_daemon_that_dies_before_volumes_are_chosen_is_followed_up(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await sim.apply(*draft_shop()[:2], IMAGE, draft_container("web"))
            for delay_s in (0.001, 0.003, 0.01, 0.02):
                sim.boot()
                await sim.settle(delay_s)
                await sim.kill_daemon()
            sim.boot()
            await sim.settle()
            assert len(_list_volumes(sim)) == 2
            assert sim.container("web").status.phase is Phase.RUNNING
            assert sim.faults() == []

    run_virtually(main)


def test_a_container_that_removes_itself_takes_its_volumes_along(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.world.programs["web"] = Program(runs_s=1.0)
            sim.boot()
            await sim.apply(
                *draft_shop()[:2], IMAGE, draft_container("web", autoRemove=True, mounts=["data:/named"])
            )
            await sim.settle()
            assert WEB not in sim.store.snapshot()
            assert _list_volumes(sim) == {}
            assert Key("Volume", "data") in sim.store.snapshot()

    run_virtually(main)


def test_only_what_nobody_else_has_is_removed_with_a_container(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            await sim.apply(*draft_shop()[:2], IMAGE, draft_container("web"))
            await sim.settle()
            first, second = sorted(_list_volumes(sim))
            await sim.apply(draft_container("other", mounts=[f"{first}:/x"]))
            assert list_anonymous_volumes(sim.store.snapshot(), [WEB]) == (Key("Volume", second),)
            await sim.delete(WEB)
            await sim.settle()
            assert {first, second} <= _list_volumes(sim).keys()
            with pytest.raises(InUse, match="Container/other"):
                await sim.delete(Key("Volume", first))
            assert sim.faults() == []

    run_virtually(main)


def test_exposed_ports_are_published_on_ports_that_stay(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            fields: dict[str, Any] = {"publishAll": True, "expose": ["443", "80"], "ports": ["8080:80"]}
            await sim.apply(*draft_shop()[:2], IMAGE, draft_container("web", **fields))
            await sim.settle()
            ports = sim.container("web").status.ports
            assert [(port.container_port, port.protocol) for port in ports] == [
                (80, "tcp"),
                (443, "tcp"),
                (53, "udp"),
            ]
            assert all(port.host_port for port in ports)
            await sim.apply(draft_container("web", **fields))
            await sim.settle()
            assert sim.container("web").status.ports == ports
            assert sim.faults() == []

    run_virtually(main)


def test_mounts_of_another_container_are_taken_over(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            mounts = [
                "data:/a",
                "/host:/b",
                {"type": "tmpfs", "target": "/c"},
                {"type": "volume", "target": "/d"},
            ]
            await sim.apply(*draft_shop(), draft_container("web", mounts=mounts))
            other = {"volumesFrom": ["web:ro"], "mounts": [{"type": "tmpfs", "target": "/b"}]}
            await sim.apply(draft_container("other", **other))
            await sim.settle()
            mine, theirs = _find_sources(sim, "web"), _find_sources(sim, "other")
            assert (theirs["/a"], theirs["/d"]) == (mine["/a"], mine["/d"])
            assert "/c" not in theirs
            assert theirs["/b"] == "tmpfs"
            pid = sim.container("other").status.pid
            await sim.apply(draft_container("web", mounts=["data:/e"]))
            await sim.settle(60)
            assert sim.container("other").status.pid != pid
            assert "/e" in _find_sources(sim, "other")
            assert sim.faults() == []

    run_virtually(main)


def test_a_container_follows_the_one_whose_network_it_is_on(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            other = draft_container("other", networkMode="container:web")
            await sim.apply(*draft_shop(), draft_container("web"), other)
            await sim.settle()
            path = sim.layout.netns_path(sim.uid(WEB))
            assert {"type": "network", "path": path} in _read_config(sim, "other")["linux"]["namespaces"]
            await sim.apply(draft_container("web", desired="stopped"))
            await sim.settle()
            assert (sim.container("other").status.phase, sim.container("other").status.pid) == (
                Phase.PENDING,
                0,
            )
            await sim.apply(draft_container("web", run=1))
            await sim.settle()
            assert sim.container("other").status.phase is Phase.RUNNING
            assert sim.faults() == []

    run_virtually(main)


def test_hosts_follow_links_and_addresses(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            spec = {"links": ["web:db"], "networks": ["shop"]}
            await sim.apply(*draft_shop(), draft_container("web"), draft_container("other", **spec))
            await sim.settle()
            pid = sim.container("other").status.pid
            before = _find_address(sim, "web")
            assert f"{before}\tdb " in _read_hosts(sim, "other")
            moved = before.rpartition(".")[0] + ".77"
            await sim.apply(draft_container("web", networks=[{"name": "shop", "ipv4": moved}]))
            await sim.apply(draft_container("other", extraHosts=["x:1.1.1.1"], dns=["9.9.9.9"], **spec))
            await sim.settle()
            hosts = _read_hosts(sim, "other")
            assert f"{moved}\tdb " in hosts
            assert "1.1.1.1\tx\n" in hosts
            assert sim.container("other").status.pid == pid
            served = sim.world.names
            assert served is not None
            assert ("9.9.9.9",) in [host.upstreams for host in served.zones[0].hosts]
            assert sim.faults() == []

    run_virtually(main)


def _find_address(sim: Simulation, name: str) -> str:
    assigned = sim.container(name).assigned
    assert assigned is not None
    return assigned.networks["shop"].ipv4


def test_users_of_its_own_are_no_others(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            pair = [draft_container(name, userNamespace="auto") for name in ("web", "other")]
            await sim.apply(*draft_shop(), *pair, draft_container("plain"))
            await sim.settle()
            bases = [_find_id_base(sim, name) for name in ("web", "other", "plain")]
            assert len({base // 65536 for base in bases}) == 3
            assert (bases[2], min(bases[:2]) >= 1 << 30) == (0, True)
            assert sim.world.roots[sim.uid(WEB)].id_base == bases[0]
            await sim.apply(draft_container("web", userNamespace="auto", command=["other"]))
            await sim.settle()
            assert _find_id_base(sim, "web") == bases[0]
            await sim.apply(draft_container("web"))
            await sim.settle(60)
            assert sim.world.roots[sim.uid(WEB)].id_base == 0
            assert sim.faults() == []

    run_virtually(main)


def _find_id_base(sim: Simulation, name: str) -> int:
    assigned = sim.container(name).assigned
    assert assigned is not None
    return assigned.id_base


@pytest.mark.parametrize(
    "fields",
    [
        {"networkMode": "container:no"},
        {"pid": "container:no"},
        {"ipc": "container:no"},
        {"volumesFrom": ["no"]},
        {"links": ["no"]},
    ],
    ids=str,
)
def test_who_is_named_has_to_be_there(fields: dict[str, object], tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            with pytest.raises(Invalid, match="Container/no does not exist"):
                await sim.apply(*draft_shop(), draft_container("web", **fields))

    run_virtually(main)


def test_containers_can_be_named_by_their_identity(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await sim.apply(*draft_shop(), draft_container("web"))
            uid = sim.uid(WEB)
            short = {"volumesFrom": [uid], "links": [f"{uid[:12]}:db"], "pid": f"container:{uid[:8]}"}
            await sim.apply(draft_container("other", **short))
            spec = sim.container("other").spec
            assert (spec.volumes_from[0].container, spec.links[0].container) == ("web", "web")
            assert (spec.links[0].alias, spec.pid) == ("db", "container:web")

    run_virtually(main)


def test_a_circle_is_refused(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            web = draft_container("web", volumesFrom=["other"])
            with pytest.raises(Invalid, match="cycle"):
                await sim.apply(*draft_shop(), web, draft_container("other", ipc="container:web"))

    run_virtually(main)
