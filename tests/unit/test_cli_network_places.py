"""`hold network connect` and `disconnect`: what they write, and how long they wait."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure
from controller.cli.network_places import add_places, connect, disconnect


class PlayedClient:
    """A daemon that keeps one container, and whose changes the test has written down."""

    def __init__(self, container: resource_pb2.Resource, statuses: list[dict[str, Any]]) -> None:
        self.container = container
        self._statuses = statuses

    def change(
        self, _: str, name: str, edit: Callable[[resource_pb2.Resource], None]
    ) -> resource_pb2.Resource:
        assert name == self.container.metadata.name
        edit(self.container)
        self.container.metadata.generation += 1
        return self.container

    def watch(self, kind: str, name: str) -> Iterator[state_pb2.WatchResponse]:
        assert (kind, name) == ("Container", self.container.metadata.name)
        for status in self._statuses:
            state = resource_pb2.Resource()
            state.CopyFrom(self.container)
            state.container_status.CopyFrom(resource_pb2.ContainerStatus(**status))
            yield state_pb2.WatchResponse(type="MODIFIED", resource=state)
        raise AssertionError("still waiting at the end of all changes")


def _container(*networks: str, ports: Sequence[resource_pb2.PortMapping] = ()) -> resource_pb2.Resource:
    attachments = [resource_pb2.NetworkAttachment(name=each) for each in networks]
    return resource_pb2.Resource(
        kind="Container",
        metadata=resource_pb2.Metadata(name="web", generation=1),
        container=resource_pb2.ContainerSpec(networks=attachments, ports=ports),
    )


def _options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_places(parser.add_subparsers())
    return parser.parse_args(words)


def _run(client: PlayedClient, verb: str, *words: str) -> None:
    options = _options(verb, *words, "web")
    (connect if verb == "connect" else disconnect)(cast("Client", client), options.name, options)


RUNNING = {"phase": "Running", "observed_generation": 2}


def _on(*names: str) -> list[resource_pb2.AttachmentStatus]:
    return [resource_pb2.AttachmentStatus(name=name) for name in names]


def test_it_returns_when_the_link_is_there() -> None:
    statuses = [
        {"phase": "Running", "observed_generation": 1, "networks": _on("a", "b")},
        RUNNING,
        {**RUNNING, "networks": _on("a", "b")},
    ]
    client = PlayedClient(_container("a"), statuses)
    _run(
        client,
        "connect",
        "--link-local-ip",
        "169.254.1.1",
        "--link",
        "db:store",
        "--mac-address",
        "02:AA:00:00:00:01",
        "b",
    )
    (_, place), (link,) = client.container.container.networks, client.container.container.links
    assert (place.name, list(place.link_local_ips), place.mac) == ("b", ["169.254.1.1"], "02:aa:00:00:00:01")
    assert (link.container, link.alias) == ("db", "store")
    with pytest.raises(AssertionError, match="still waiting"):
        _run(PlayedClient(_container("a"), statuses[:2]), "connect", "b")


def test_a_network_that_is_not_ready_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    missing = resource_pb2.Condition(type="NetworksAttached", status="False", message="b: start the plugin")
    _run(PlayedClient(_container("a"), [{**RUNNING, "conditions": [missing]}]), "connect", "b")
    assert capsys.readouterr().err == "hold: web is not on all of its networks yet: b: start the plugin\n"


def test_nobody_waits_for_one_that_does_not_run() -> None:
    _run(PlayedClient(_container("a"), [{"phase": "Exited"}]), "connect", "b")


def test_without_any_network_it_is_as_with_none_and_can_come_back() -> None:
    client = PlayedClient(_container("a"), [RUNNING])
    _run(client, "disconnect", "a")
    assert (client.container.container.network_mode, len(client.container.container.networks)) == ("none", 0)
    again = PlayedClient(client.container, [{"phase": "Exited"}])
    _run(again, "connect", "b")
    assert not again.container.container.HasField("network_mode")


def test_what_publishes_ports_stays_on_its_only_network() -> None:
    ports = [resource_pb2.PortMapping(host_port=80, container_port=80)]
    with pytest.raises(
        Failure, match="a is the only network of web, which publishes ports: connect it to another"
    ):
        _run(PlayedClient(_container("a", ports=ports), []), "disconnect", "a")


def test_places_that_are_there_or_not_are_told() -> None:
    with pytest.raises(Failure, match="container web is on network a already"):
        _run(PlayedClient(_container("a"), []), "connect", "a")
    with pytest.raises(Failure, match="container web is not on network b"):
        _run(PlayedClient(_container("a"), []), "disconnect", "b")
    _run(PlayedClient(_container("a"), [{"phase": "Exited"}]), "disconnect", "-f", "b")
