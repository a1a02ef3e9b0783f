"""A configuration is cut to what the daemon itself may give away."""

from typing import Any

from controller.kernel.processes.capabilities import CAPABILITY_NUMBERS
from controller.kernel.processes.fitting import HostAbilities, fit_config


def _fit(abilities: HostAbilities, *, capabilities: list[str]) -> dict[str, Any]:
    process = {"capabilities": {name: list(capabilities) for name in ("bounding", "effective", "permitted")}}
    config = {"process": process, "mounts": [], "linux": {}}
    fitted: dict[str, Any] = fit_config(config, abilities, None)["process"]["capabilities"]
    return fitted


def _abilities(held: int) -> HostAbilities:
    return HostAbilities(rlimits={}, oom_score_adj=0, swap_accounting=True, capabilities=held)


def test_capabilities_that_the_daemon_lacks_are_left_out() -> None:
    held = sum(1 << CAPABILITY_NUMBERS[name] for name in ("CAP_CHOWN", "CAP_KILL"))
    fitted = _fit(_abilities(held), capabilities=["CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_KILL"])
    assert fitted == {name: ["CAP_CHOWN", "CAP_KILL"] for name in ("bounding", "effective", "permitted")}


def test_a_daemon_with_all_of_them_cuts_none() -> None:
    everything = list(CAPABILITY_NUMBERS)
    assert _fit(_abilities(-1), capabilities=everything)["bounding"] == everything
