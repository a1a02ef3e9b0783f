"""The loops on a fake machine: what users do, and what becomes of it."""

from pathlib import Path

from controller.model.ids import Key
from tests.fakes.simulation import draft_container, draft_shop, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually


def test_what_is_declared_comes_about(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            await sim.apply(*draft_shop(), draft_container("web", ports=["8080:80"], mounts=["data:/data"]))
            await sim.settle()
            assert sim.faults() == []
            await sim.delete(Key("Container", "web"))
            await sim.settle()
            await sim.delete(Key("Network", "shop"), Key("Volume", "data"), Key("Image", "web:1"))
            await sim.settle()
            assert sim.faults() == []
            assert sim.store.snapshot() == {}

    run_virtually(main)
