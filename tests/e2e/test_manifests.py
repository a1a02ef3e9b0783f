"""Every example works as it stands."""

from pathlib import Path

import pytest

from tests.machine import Machine, fetch, wait_for

_EXAMPLES = Path(__file__).parents[2] / "manifests"


@pytest.mark.parametrize(
    ("name", "containers"),
    [
        ("shop/shop.yaml", ["web", "customer"]),
        ("rootfs.yaml", ["from-directory"]),
        ("job.yaml", ["serve"]),
        ("host-network.yaml", ["on-host-network"]),
        ("volumes.yaml", ["clerk", "reader"]),
        ("confined.yaml", ["confined", "confined-helper"]),
        ("ipv6.yaml", ["both", "modern-client"]),
    ],
)
def test_the_example_comes_up_and_goes(machine: Machine, name: str, containers: list[str]) -> None:
    machine.import_image("shop:1")
    text = (_EXAMPLES / name).read_text().replace("/srv/root", str(machine.make_image_root()))
    machine.succeed("apply", "-f", "-", stdin=text)
    machine.succeed("wait", "--for=condition=Ready", *(f"container/{each}" for each in containers))
    if name == "job.yaml":
        wait_for(lambda: fetch(8090) == "ready\n", "what the job prepared")
    if name == "ipv6.yaml":
        wait_for(lambda: fetch(8093) and fetch(8093, "fd00:93::1"), "the server by both families")
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=text)


def test_no_example_is_left_out() -> None:
    elsewhere = ["images.yaml"]  # needs a registry, see test_registries
    assert len(list(_EXAMPLES.rglob("*.yaml"))) == 7 + len(elsewhere)
