"""A hundred containers with a published port each."""

import json

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import Machine, fetch, wait_for

_COUNT = 100
_FIRST_PORT = 12000


@pytest.mark.timeout(300)
def test_a_hundred_servers(machine: Machine) -> None:
    items = [
        {
            "apiVersion": "hold/v1",
            "kind": "Container",
            "metadata": {"name": f"many{index}", "labels": {"set": "many"}},
            "spec": {
                "image": IMAGE,
                "command": ["httpd", "-f", "-p", "80", "-h", "/www"],
                "ports": [f"{_FIRST_PORT + index}:80"],
            },
        }
        for index in range(_COUNT)
    ]
    text = json.dumps({"kind": "List", "items": items})
    machine.succeed("apply", "-f", "-", stdin=text)
    machine.succeed("wait", "--for=condition=Ready", "-l", "set=many", "--timeout=200s")
    for index in range(0, _COUNT, 9):
        wait_for(lambda port=_FIRST_PORT + index: fetch(port), f"port {_FIRST_PORT + index}")  # type: ignore[misc]
    addresses = {
        each["status"]["networks"][0]["ipv4"]
        for each in json.loads(machine.succeed("get", "containers", "-l", "set=many", "-o", "json"))["items"]
    }
    assert len(addresses) == _COUNT
    machine.succeed("delete", "containers", "-l", "set=many", "--grace-period", "0")
