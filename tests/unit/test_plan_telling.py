"""What is told of starts and ends: what happened and why, in words of people."""

import pytest

from controller.model.container import ContainerSpec, ContainerStatus
from controller.plan.conditions import Reason, make_condition
from controller.plan.container.telling import describe_end, describe_start

_SPEC = ContainerSpec.model_validate({"rootfs": "/srv", "resources": {"memory": "8m"}})


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ({"exitCode": 0}, None, "the process ended with exit code 0"),
        ({"exitCode": 3}, None, "the process ended with exit code 3"),
        ({"exitCode": 139}, None, "the process ended with exit code 139 (SIGSEGV)"),
        ({"exitCode": 255}, None, "the process ended with exit code 255"),
        ({"exitCode": 137}, Reason.REQUESTED, "a stop was asked for: the process ended with exit code 137"),
        ({"exitCode": 0}, Reason.NEW_RUN, "a restart was asked for: the process ended with exit code 0"),
        (
            {"exitCode": 143},
            Reason.RECREATE,
            "the changed spec needs another process: the process ended with exit code 143",
        ),
        ({"exitCode": 1}, Reason.UNHEALTHY, "the health check failed: the process ended with exit code 1"),
        ({"exitCode": 1}, Reason.DELETED, "a removal was asked for: the process ended with exit code 1"),
        ({"exitCode": 1}, Reason.NAMESPACE_LOST, "its network was gone: the process ended with exit code 1"),
        (
            {"exitCode": 137, "oomKilled": True},
            None,
            "memory ran out, the limit is 8MiB: the process ended with exit code 137 (SIGKILL)",
        ),
    ],
)
def test_an_end_is_told_with_its_cause(status: dict[str, object], reason: Reason | None, told: str) -> None:
    stopping = make_condition("Stopping", reason, holds=True) if reason else None
    assert describe_end(ContainerStatus.model_validate(status), _SPEC, stopping) == told


def test_memory_can_run_out_without_a_limit() -> None:
    status = ContainerStatus.model_validate({"exitCode": 137, "oomKilled": True})
    spec = ContainerSpec.model_validate({"rootfs": "/srv"})
    told = "memory ran out: the process ended with exit code 137 (SIGKILL)"
    assert describe_end(status, spec, None) == told


@pytest.mark.parametrize(
    ("restarts", "told"), [(0, "process 7 runs"), (2, "process 7 runs, restart 2 by the policy on-failure:5")]
)
def test_a_start_is_told_with_its_number(restarts: int, told: str) -> None:
    status = ContainerStatus.model_validate({"pid": 7, "restarts": restarts})
    spec = ContainerSpec.model_validate({"rootfs": "/srv", "restart": "on-failure:5"})
    assert describe_start(status, spec) == told
