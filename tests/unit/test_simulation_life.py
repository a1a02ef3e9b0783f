"""A container's life: restarts and their waits, refusals, reboots, self-removal."""

from pathlib import Path

from controller.model.container import Phase
from controller.model.ids import Key
from controller.model.resource import find_condition
from tests.fakes.scenarios import WEB
from tests.fakes.simulation import Simulation, draft_container, draft_shop, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.fakes.world import Program


async def begin(sim: Simulation, program: Program, **fields: object) -> None:
    """Boot, and apply a container with this program."""
    sim.world.programs["web"] = program
    sim.boot()
    await sim.apply(*draft_shop(), draft_container("web", **fields))


def count_starts(sim: Simulation) -> int:
    return sim.steps.calls.count("processes.start")


def test_a_killed_process_is_back_at_once(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(), restart="always")
            await sim.settle()
            sim.world.kill("web")
            await sim.settle(0.03)
            status = sim.container("web").status
            assert (status.phase, status.restarts, status.exit_code) == (Phase.RUNNING, 1, 137)

    run_virtually(main)


def test_a_lost_monitor_is_told_once_and_the_process_goes_on(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(), restart="always")
            await sim.settle()
            sim.world.lose_monitor(sim.world.find_uid("web"))
            await sim.settle(1000)
            await sim.kill_daemon()
            sim.boot()
            await sim.settle()
            lost = find_condition(sim.container("web").status, "Monitored")
            assert lost is not None
            assert (lost.reason, count_starts(sim)) == ("MonitorLost", 1)
            assert [event.reason for event in await sim.store.events(0, 100)].count("MonitorLost") == 1
            sim.world.kill("web")
            await sim.settle()
            status = sim.container("web").status
            assert (status.phase, status.exit_code, count_starts(sim)) == (Phase.RUNNING, 255, 2)
            assert find_condition(status, "Monitored") is None

    run_virtually(main)


def test_a_program_that_keeps_dying_is_started_less_often(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(runs_s=0.0, exit_code=1), restart="always")
            await sim.settle(30)
            # At once, then after 0.1, 0.2, 0.4, ... 12.8 seconds.
            assert sim.container("web").status.restarts == 9
            assert count_starts(sim) == 10

    run_virtually(main)


def test_a_daemon_that_restarts_keeps_count(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(runs_s=0.0, exit_code=1), restart="on-failure:5")
            for _ in range(20):
                await sim.settle(1)
                await sim.kill_daemon()
                sim.boot()
            status = sim.container("web").status
            assert (status.phase, status.restarts, status.exit_code) == (Phase.EXITED, 5, 1)
            assert count_starts(sim) == 6

    run_virtually(main)


def test_a_program_that_ends_well_is_not_a_failure(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(runs_s=1.0), restart="on-failure")
            await sim.settle()
            assert sim.container("web").status.phase is Phase.EXITED
            assert count_starts(sim) == 1
            assert sim.world.processes == {}

    run_virtually(main)


def test_a_program_that_can_not_be_run_gives_one_clear_condition(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(refusal="executable serve not found"))
            await sim.settle(120)
            status = sim.container("web").status
            assert (status.phase, status.error) == (Phase.FAILED, "executable serve not found")
            ready = find_condition(status, "Ready")
            assert ready is not None
            assert (ready.reason, ready.message) == ("StartFailed", "executable serve not found")
            assert sim.steps.calls.count("processes.create") == 1
            assert sim.world.processes == {}
            assert sim.world.namespaces == {}
            # A new spec is a new try.
            sim.world.programs["web"] = Program()
            await sim.apply(draft_container("web", command=["right"]))
            await sim.settle()
            assert sim.faults() == []

    run_virtually(main)


def test_a_refused_start_is_tried_again_by_the_policy_alone(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(refusal="create"), restart="always")
            await sim.settle(60)
            assert 5 < sim.steps.calls.count("processes.create") < 14
            sim.world.programs["web"] = Program()
            await sim.settle(60)
            assert sim.faults() == []

    run_virtually(main)


def test_a_reboot_brings_back_what_should_run(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(), restart="unless-stopped")
            await sim.apply(draft_container("db", restart="always"), draft_container("once"))
            await sim.settle()
            await sim.apply(draft_container("db", restart="always", desired="stopped"))
            await sim.settle()
            await sim.kill_daemon()
            sim.world.reboot()
            sim.boot()
            await sim.settle()
            phases = {name: sim.container(name).status.phase for name in ("web", "db", "once")}
            assert phases == {"web": Phase.RUNNING, "db": Phase.EXITED, "once": Phase.EXITED}
            assert sim.container("once").status.exit_code == 255

    run_virtually(main)


def test_dependants_do_not_believe_what_was_before_a_reboot(tmp_path: Path) -> None:
    """More of them have their turns at the same time than there are workers, and what they wait for comes last."""
    check = {"test": ["CMD", "true"], "interval": 5}
    lone: dict[str, object] = {"restart": "always", "networkMode": "none"}
    names = [f"user{number:02}" for number in range(40)]

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(), restart="always")
            await sim.apply(
                draft_container("z-base", **lone, healthcheck=check),
                draft_container("y-next", **lone, dependsOn={"z-base": {}}),
                *(
                    draft_container(name, **lone, dependsOn={"z-base": {"condition": "healthy"}})
                    for name in names
                ),
                draft_container("last", **lone, dependsOn={"y-next": {}}),
            )
            await sim.settle(30)
            await sim.kill_daemon()
            sim.world.reboot()
            sim.boot()
            rebooted_at = loop.now()
            await sim.settle(30)
            begun = {
                name: sim.container(name).status.started_at for name in ("z-base", "y-next", "last", *names)
            }
            times = [each for each in begun.values() if each is not None]
            assert min(times) > rebooted_at
            assert len(times) == len(begun)
            health = sim.container("z-base").status.health
            assert health is not None
            assert health.healthy_at is not None
            assert times[:3] == sorted(times[:3])
            assert min(times[3:]) > health.healthy_at
            assert sim.faults() == []

    run_virtually(main)


def test_a_container_can_remove_itself(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(runs_s=1.0, exit_code=3), autoRemove=True)
            await sim.settle()
            assert WEB not in sim.store.snapshot()
            assert sim.faults() == []
            messages = [event.message for event in await sim.events() if event.key == WEB]
            assert "the process ended with exit code 3" in messages

    run_virtually(main)


def test_a_running_container_is_not_touched_by_a_new_daemon(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(), ports=["8080:80"])
            await sim.settle()
            before = dict(sim.world.processes)
            revision = sim.store.revision()
            effects = len(sim.steps.calls)
            for _ in range(3):
                await sim.kill_daemon()
                sim.boot()
                await sim.settle()
            assert sim.world.processes == before
            assert (sim.store.revision(), len(sim.steps.calls)) == (revision, effects)

    run_virtually(main)


def test_a_start_brings_back_the_directory_of_a_volume_that_is_gone(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(), mounts=["data:/data"])
            await sim.settle()
            volume = sim.uid(Key("Volume", "data"))
            del sim.world.volumes[volume]
            await sim.apply(draft_container("second", mounts=["data:/other"]))
            await sim.settle(5.0)
            assert sim.container("second").status.phase is Phase.RUNNING
            assert sim.world.volumes == {volume: ["/other"]}
            assert [event.reason for event in await sim.events()].count("DataLost") == 1

    run_virtually(main)


def test_data_of_volumes_outlives_everything_but_the_volume(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(), mounts=["data:/data"])
            await sim.settle()
            volume = sim.uid(Key("Volume", "data"))
            assert sim.world.volumes[volume] == ["/data"]
            await sim.delete(WEB, grace_period_s=0.0)
            await sim.settle()
            assert sim.world.volumes == {volume: ["/data"]}
            await sim.delete(Key("Volume", "data"))
            await sim.settle()
            assert sim.world.volumes == {}

    run_virtually(main)


def test_ends_and_starts_are_told_once_and_are_no_repairs(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program(runs_s=30.0), restart="on-failure")
            await sim.settle(40)
            sim.world.programs["web"] = Program()
            await sim.apply(draft_container("web", restart="always", environment={"A": "1"}))
            await sim.settle()
            sim.world.kill("web")
            await sim.settle()
            told = [(each.type, each.reason, each.message) for each in await sim.events() if each.key == WEB]
            pid = sim.container("web").status.pid
            assert told[1:] == [
                ("Normal", "Exited", "the process ended with exit code 0"),
                ("Normal", "Started", told[2][2]),
                ("Warning", "Exited", "the process ended with exit code 137 (SIGKILL)"),
                ("Normal", "Started", f"process {pid} runs, restart 1 by the policy always"),
            ]

    run_virtually(main)


def test_the_end_of_what_is_removed_with_patience_is_recorded(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, Program())
            await sim.settle()
            await sim.delete(WEB)
            await sim.settle()
            assert WEB not in sim.store.snapshot()
            told = [
                each.message for each in await sim.events() if each.key == WEB and each.reason == "Exited"
            ]
            assert told == ["a removal was asked for: the process ended with exit code 143"]
            assert sim.faults() == []

    run_virtually(main)
