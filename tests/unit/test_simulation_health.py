"""Health checks in the life of containers: verdicts, restarts, dependants, daemons that come and go."""

from pathlib import Path

from controller.model.container import Phase
from controller.model.health import ExecProbe, HealthState, HttpProbe, ProbeOutcome
from controller.model.resource import find_condition
from tests.fakes.simulation import Simulation, draft_container, draft_shop, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.fakes.world import Program

CHECK = {"test": ["CMD", "true"], "interval": 5, "retries": 2}
FAILS = ProbeOutcome(exit_code=1, output="no answer")
PASSES = ProbeOutcome(exit_code=0)


async def begin(sim: Simulation, **fields: object) -> None:
    """Boot, and apply a container with a check."""
    sim.boot()
    await sim.apply(*draft_shop(), draft_container("web", **{"healthcheck": CHECK, **fields}))


def read_state(sim: Simulation, name: str = "web") -> HealthState | None:
    health = sim.container(name).status.health
    return health.state if health is not None else None


def test_a_container_becomes_healthy_then_unhealthy(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim)
            await sim.settle(4)
            assert read_state(sim) is HealthState.STARTING
            await sim.settle(2)
            assert read_state(sim) is HealthState.HEALTHY
            sim.world.health["web"].outcome = FAILS
            await sim.settle(5)
            health = sim.container("web").status.health
            assert health is not None
            assert (health.state, health.failing_streak) == (HealthState.HEALTHY, 1)
            await sim.settle(5)
            status = sim.container("web").status
            assert read_state(sim) is HealthState.UNHEALTHY
            assert status.phase is Phase.RUNNING
            assert (status.restarts, status.health and status.health.log[-1].output) == (0, "no answer")
            condition = find_condition(status, "Healthy")
            assert condition is not None
            assert (condition.status, condition.message) == ("False", "no answer")
            reasons = [event.reason for event in await sim.events()]
            assert [each for each in reasons if each.endswith("ealthy")] == ["Healthy", "Unhealthy"]
            assert sim.faults() == []

    run_virtually(main)


def test_checks_that_repeat_write_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim)
            await sim.settle(12)
            writes, probes = sim.state.writes, len(sim.world.health["web"].probes)
            await sim.settle(1000)
            assert sim.state.writes == writes
            assert len(sim.world.health["web"].probes) == probes + 200

    run_virtually(main)


def test_slow_checks_never_pile_up(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.world.health["web"].takes_s = 60
            await begin(sim, healthcheck=CHECK | {"timeout": 3})
            await sim.settle(81)
            assert len(sim.world.health["web"].probes) == 10  # every 5 s and 3 s
            assert read_state(sim) is HealthState.UNHEALTHY
            health = sim.container("web").status.health
            assert health is not None
            assert (health.log[0].exit_code, health.log[0].output) == (-1, "took longer than 3 s")

    run_virtually(main)


def test_an_unhealthy_container_is_restarted_where_asked(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.world.health["web"].outcome = FAILS
            await begin(sim, healthcheck=CHECK | {"restart": True})
            await sim.settle(11)
            status = sim.container("web").status
            assert (status.phase, status.restarts) == (Phase.RUNNING, 1)
            assert read_state(sim) is HealthState.STARTING
            await sim.settle(100)
            # After 10 s each, with waits of 0, 0.1, 0.2, ... 6.4 s between.
            assert sim.container("web").status.restarts == 8
            sim.world.health["web"].outcome = PASSES
            await sim.settle(30)
            restarts = sim.container("web").status.restarts
            await sim.settle(100)
            status = sim.container("web").status
            assert (status.restarts, read_state(sim)) == (restarts, HealthState.HEALTHY)
            reasons = [event.reason for event in await sim.events()]
            assert {"Unhealthy", "Healthy", "Exited"} <= set(reasons)
            assert "Repaired" not in reasons

    run_virtually(main)


def test_what_the_user_stops_stays_stopped(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.world.health["web"].outcome = FAILS
            check = CHECK | {"restart": True, "retries": 1, "interval": 3}
            await begin(sim, healthcheck=check, stopGracePeriod=0)
            await sim.settle(2)
            await sim.apply(draft_container("web", healthcheck=check, stopGracePeriod=0, desired="stopped"))
            await sim.settle(50)
            assert sim.container("web").status.phase is Phase.EXITED
            assert sim.faults() == []

    run_virtually(main)


def test_dependants_wait_for_health(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.world.health["web"].outcome = FAILS
            await begin(sim)
            await sim.apply(draft_container("next", dependsOn={"web": {"condition": "healthy"}}))
            await sim.settle(30)
            waiting = sim.container("next").status
            assert waiting.phase is Phase.PENDING
            condition = find_condition(waiting, "DependenciesMet")
            assert condition is not None
            assert condition.message == "not yet: web healthy"
            sim.world.health["web"].outcome = PASSES
            await sim.settle(6)
            assert sim.container("next").status.phase is Phase.RUNNING
            assert sim.faults() == []

    run_virtually(main)


def test_a_check_changes_without_a_new_process(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim)
            await sim.settle(10)
            pid = sim.container("web").status.pid
            await sim.apply(draft_container("web", healthcheck=CHECK | {"interval": 1}))
            await sim.settle(0.5)
            assert read_state(sim) is HealthState.HEALTHY
            probes = len(sim.world.health["web"].probes)
            await sim.settle(10)
            assert len(sim.world.health["web"].probes) == probes + 10
            await sim.apply(draft_container("web", healthcheck={"http": {"port": 80}, "interval": 1}))
            await sim.settle(0.5)  # what another check found counts no more, so this one comes at once
            assert read_state(sim) is HealthState.HEALTHY
            assert sim.world.health["web"].probes[-1] == HttpProbe(port=80)
            await sim.apply(draft_container("web", healthcheck={"test": ["NONE"]}))
            await sim.settle(1)
            probes = len(sim.world.health["web"].probes)
            await sim.settle(60)
            assert len(sim.world.health["web"].probes) == probes
            status = sim.container("web").status
            assert (status.health, find_condition(status, "Healthy"), status.pid) == (None, None, pid)

    run_virtually(main)


def test_a_new_daemon_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, healthcheck=CHECK | {"retries": 4})
            await sim.settle(6)
            sim.world.health["web"].outcome = FAILS
            for failures in range(1, 5):
                await sim.settle(5)
                await sim.kill_daemon()
                health = sim.container("web").status.health
                assert health is not None
                assert health.failing_streak == failures
                sim.boot()
            assert read_state(sim) is HealthState.UNHEALTHY
            assert sim.container("web").status.restarts == 0

    run_virtually(main)


def test_a_paused_container_is_left_alone(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim)
            await sim.settle(11)
            await sim.apply(draft_container("web", healthcheck=CHECK, desired="paused"))
            await sim.settle(1)
            probes = len(sim.world.health["web"].probes)
            await sim.settle(60)
            assert len(sim.world.health["web"].probes) == probes
            assert read_state(sim) is HealthState.HEALTHY
            await sim.apply(draft_container("web", healthcheck=CHECK))
            await sim.settle(11)
            assert len(sim.world.health["web"].probes) > probes

    run_virtually(main)


def test_a_restart_begins_anew(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await begin(sim, restart="always")
            await sim.settle(6)
            assert read_state(sim) is HealthState.HEALTHY
            sim.world.kill("web")
            await sim.settle(1)
            assert (sim.container("web").status.restarts, read_state(sim)) == (1, HealthState.STARTING)
            await sim.settle(5)
            assert read_state(sim) is HealthState.HEALTHY

    run_virtually(main)


def test_the_image_has_a_check(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            network, volume, image = draft_shop()
            spec = image.spec.model_validate(
                {"source": {"archive": "/images/web.tar"}, "config": {"healthcheck": CHECK}}
            )
            await sim.apply(network, volume, type(image)(key=image.key, spec=spec, labels={}, annotations={}))
            await sim.apply(draft_container("web", healthcheck={"retries": 1}))
            await sim.settle(6)
            assert read_state(sim) is HealthState.HEALTHY
            assert sim.world.health["web"].probes == [ExecProbe(arguments=("true",))]

    run_virtually(main)


def test_a_healthy_run_resets_the_waits(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.world.programs["web"] = Program(runs_s=15, exit_code=1)
            sim.world.health["web"].outcome = FAILS
            await begin(sim, restart="always", healthcheck=CHECK | {"retries": 100})
            await sim.settle(15.05 * 4)
            assert sim.container("web").status.backoff_s > 0.1  # long runs, but none that was well
            sim.world.health["web"].outcome = PASSES
            sim.world.programs["web"] = Program(runs_s=20, exit_code=1)
            await sim.settle(70)
            assert sim.container("web").status.backoff_s == 0

    run_virtually(main)
