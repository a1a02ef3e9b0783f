"""`hold volume`: Docker's flags become a Volume, lists are filtered."""

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Failure
from controller.cli.main import make_parser
from controller.cli.transport import Channel
from controller.cli.volume_create import build_volume
from controller.cli.volumes import list_volumes, read_filter

CLIENT = Client(Channel("unix:///nowhere"))
"""Filters that ask nobody anything need no daemon."""


def _build(*words: str) -> resource_pb2.Resource:
    return build_volume(make_parser("volume").parse_args(["create", *words]))


def test_options_and_labels() -> None:
    made = _build(
        "--opt",
        "type=nfs",
        "-o",
        "device=:/srv",
        "-o",
        "o=addr=a,rw",
        "--label",
        "a=b",
        "--label",
        "c",
        "data",
    )
    assert made.metadata.name == "data"
    assert dict(made.metadata.labels) == {"a": "b", "c": ""}
    options = {"type": "nfs", "device": ":/srv", "o": "addr=a,rw"}
    assert made.volume == resource_pb2.VolumeSpec(driver="local", driver_options=options)


def test_one_that_nobody_names_is_anonymous() -> None:
    made = _build()
    assert len(made.metadata.name) == 64
    assert dict(made.metadata.labels) == {"hold.anonymous": ""}


def test_copies() -> None:
    assert _build("--from", "data", "copy").volume.source == resource_pb2.ContentSource(
        volume="data", pause=True
    )
    assert not _build("--from", "data", "--live", "copy").volume.source.pause


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "tpye=nfs"], r"--opt: 'tpye' is not an option of driver local \(did you mean type"),
        (["-o", "type=tmpfs"], "--opt: device is missing"),
        (["-o", "=x"], "--opt: '=x' is not NAME=VALUE"),
        (["--label", "=x"], "--label: '=x' is not NAME=VALUE"),
    ],
)
def test_what_no_volume_can_be_made_of(words: list[str], message: str) -> None:
    with pytest.raises(Failure, match=message):
        _build(*words, "data")


def _volume(name: str, **labels: str) -> resource_pb2.Resource:
    resource = resource_pb2.Resource(kind="Volume", volume=resource_pb2.VolumeSpec())
    resource.metadata.name = name
    resource.metadata.labels.update(labels)
    return resource


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name=at", ["data"]),
        ("driver=local", ["data", "logs"]),
        ("driver=nfs", []),
        ("label=app", ["data", "logs"]),
        ("label=app=shop", ["data"]),
    ],
)
def test_filters(text: str, names: list[str]) -> None:
    test = read_filter(CLIENT, text)
    found = [each for each in (_volume("data", app="shop"), _volume("logs", app="x")) if test(each)]
    assert [each.metadata.name for each in found] == names


@pytest.mark.parametrize("text", ["size=1", "dangling=maybe"])
def test_filters_that_are_none(text: str) -> None:
    with pytest.raises(Failure, match="is not known: write dangling=true"):
        read_filter(CLIENT, text)


def test_volumes_of_a_container() -> None:
    mounts = [
        resource_pb2.Mount(type="volume", source="data", target="/d"),
        resource_pb2.Mount(type="bind", source="/data", target="/e"),
    ]
    status = resource_pb2.ContainerStatus(volumes={"/f": "nameless"})
    container = resource_pb2.Resource(
        container=resource_pb2.ContainerSpec(mounts=mounts), container_status=status
    )
    assert list_volumes(container) == {"data", "nameless"}
