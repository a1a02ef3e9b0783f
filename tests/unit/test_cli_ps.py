"""ps and stats: which containers, in which words."""

from collections.abc import Sequence
from typing import Any

import pytest

from controller.api.v1 import container_pb2
from controller.cli.client import Failure
from controller.cli.copying import Address, parse_address
from controller.cli.ps import describe_container, render_status
from controller.cli.ps_filters import Surroundings, find_state, read_filters
from controller.cli.stats import describe_usage
from controller.cli.tables import parse_time
from controller.cli.top import choose_ports

NOW = parse_time("2026-01-01T12:00:00Z")
START = "2026-01-01T11:55:00Z"


def container(name: str, uid: str, hour: int, **parts: Any) -> dict[str, Any]:  # noqa: ANN401
    """A container as the client has it; `parts` are metadata, spec and status."""
    made = f"2026-01-01T{hour:02}:00:00Z"
    return {
        "metadata": {"name": name, "uid": uid * 32, "createdAt": made, **parts.get("metadata", {})},
        "spec": {"image": "box:1", **parts.get("spec", {})},
        "status": parts.get("status", {}),
        "words": ["sleep", "9"],
    }


WEB = container(
    "web", "a", 9,
    metadata={"labels": {"tier": "front"}},
    spec={
        "mounts": [{"type": "volume", "source": "data", "target": "/data"}], "expose": ["7000/udp"],
        "networks": [{"name": "shop"}],
    },
    status={
        "phase": "Running", "startedAt": START, "health": {"state": "healthy"},
        "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "tcp"}],
    },
)  # fmt: skip
DB = container(
    "db", "b", 10, spec={"image": "made:2", "networkMode": "host"},
    status={"phase": "Exited", "exitCode": 3, "finishedAt": START},
)  # fmt: skip
NEW = container("web-new", "c", 11)
IMAGES = [
    {"metadata": {"name": "box:1"}, "status": {"id": "sha256:1111", "layers": ["x"]}},
    {"metadata": {"name": "made:2"}, "status": {"id": "sha256:2222", "layers": ["x", "y"]}},
]


def choose(*filters: str) -> str:
    """Return the names that pass, by a letter each: w(eb), d(b), n(ew)."""
    everything = [WEB, DB, NEW]
    passes = read_filters(filters, Surroundings(everything, lambda: IMAGES))
    letters = {"web": "w", "db": "d", "web-new": "n"}
    return "".join(letters[each["metadata"]["name"]] for each in everything if passes(each))


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        ([], "wdn"), (["name=web"], "wn"), (["name=^web$"], "w"), (["name=^/web$"], "w"), (["name=web", "name=db"], "wdn"),
        (["id=bbb"], "d"), (["label=tier"], "w"), (["label=tier=back"], ""), (["label=tier", "label=no"], ""),
        (["exited=3"], "d"), (["exited=0"], ""), (["status=running"], "w"), (["status=created", "status=exited"], "dn"),
        (["ancestor=box"], ""), (["ancestor=box:1"], "wdn"), (["ancestor=made:2"], "d"), (["ancestor=2222"], "d"),
        (["before=db"], "w"), (["since=db"], "n"), (["since=aaaa"], "dn"), (["volume=data"], "w"), (["volume=/data"], "w"),
        (["network=shop"], "w"), (["network=host"], "d"), (["publish=8080"], "w"), (["publish=8000-9000/tcp"], "w"),
        (["publish=8080/udp"], ""), (["expose=7000/udp"], "w"), (["expose=80"], "w"), (["health=healthy"], "w"),
        (["health=none"], "dn"), (["is-task=false"], "wdn"), (["is-task=true"], ""), (["name=web", "status=created"], "n"),
    ],
)  # fmt: skip
def test_filters(filters: Sequence[str], chosen: str) -> None:
    assert choose(*filters) == chosen


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("size=1", "keys are id, name"), ("name", "write KEY=VALUE"), ("status=up", "known are created"),
        ("exited=x", "is not a number"), ("publish=x", "write PORT"), ("name=[", "is no pattern"),
        ("since=nobody", "nobody does not exist"), ("health=ill", "known are starting"),
    ],
)  # fmt: skip
def test_wrong_filters_are_told(text: str, told: str) -> None:
    with pytest.raises(Failure, match=told):
        choose(text)


@pytest.mark.parametrize(
    ("status", "metadata", "told"),
    [
        ({}, {}, "Created"),
        ({"phase": "Running", "startedAt": START}, {}, "Up 5 minutes"),
        (
            {"phase": "Running", "startedAt": START, "health": {"state": "starting"}},
            {},
            "Up 5 minutes (health: starting)",
        ),
        (
            {"phase": "Running", "startedAt": START, "health": {"state": "unhealthy"}},
            {},
            "Up 5 minutes (unhealthy)",
        ),
        (
            {"phase": "Paused", "startedAt": START, "health": {"state": "healthy"}},
            {},
            "Up 5 minutes (Paused)",
        ),
        ({"phase": "Exited", "exitCode": 137, "finishedAt": START}, {}, "Exited (137) 5 minutes ago"),
        (
            {"phase": "Pending", "exitCode": 1, "finishedAt": START, "restarts": 2},
            {},
            "Restarting (1) 5 minutes ago",
        ),
        ({"phase": "Failed"}, {}, "Failed"),
        ({"phase": "Running"}, {"deletedAt": START}, "Removal In Progress"),
    ],
)
def test_status_is_worded_as_docker_does(status: dict[str, Any], metadata: dict[str, str], told: str) -> None:
    assert render_status(container("x", "d", 1, status=status, metadata=metadata), NOW) == told


def test_a_row_says_what_is_known() -> None:
    row = describe_container(WEB, NOW, whole=False)
    assert (row["ID"], row["Command"], row["State"]) == ("a" * 12, '"sleep 9"', "running")
    assert (row["Ports"], row["Mounts"], row["LocalVolumes"]) == ("0.0.0.0:8080->80/tcp", "data", "1")
    assert (row["CreatedAt"], row["Labels"]) == ("2026-01-01 09:00:00 +0000 UTC", "tier=front")
    assert find_state(DB) == "exited"


def test_usage_is_worded_as_docker_does() -> None:
    usage = container_pb2.ContainerUsage(
        container="web", uid="a" * 32, cpu_percent=12.345, memory_bytes=3 << 19, memory_limit_bytes=64 << 20,
        network_received_bytes=1500, block_written_bytes=2_000_000, pids=3, running=True,
    )  # fmt: skip
    idle, busy = describe_usage([usage, container_pb2.ContainerUsage(container="idle")], whole=False)
    assert [busy[key] for key in ("CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")] == [
        "12.35%", "1.5MiB / 64MiB", "2.34%", "1.5kB / 0B", "0B / 2MB", "3",
    ]  # fmt: skip
    assert {idle[key] for key in ("CPUPerc", "MemPerc", "PIDs")} == {"--"}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("web:/etc", Address("web", "/etc")), ("web:etc", Address("web", "etc")), ("-", Address("", "-")),
        ("./a:b", Address("", "./a:b")), ("/a:b", Address("", "/a:b")), ("file", Address("", "file")),
    ],
)  # fmt: skip
def test_a_colon_names_a_container(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["web:", ":/etc"])
def test_half_an_address_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="write CONTAINER:PATH"):
        parse_address(text)


def test_ports_are_found_by_number_and_protocol() -> None:
    ports = WEB["status"]["ports"]
    assert (choose_ports(ports, "80/TCP"), choose_ports(ports, "80/udp")) == (ports, [])
