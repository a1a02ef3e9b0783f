"""`hold graph`: networks, and who is on them, as text, and as a document that Graphviz lays out."""

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from controller.cli.graph import _lay_out, add_graph
from controller.cli.graph_dot import render_dot
from controller.cli.graph_map import NetworkMap, draw_map
from controller.cli.graph_text import render_text


def network(name: str, number: int, **spec: object) -> dict[str, Any]:
    status = {"subnet": f"10.{number}.0.0/24", "gateway": f"10.{number}.0.1", "bridge": f"hold-{name}"}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def container(
    name: str,
    *places: tuple[str, str],
    phase: str = "Running",
    ports: tuple[dict[str, int], ...] = (),
    mode: str = "",
) -> dict[str, Any]:
    running = [{"name": where, "ipv4": address} for where, address in places if phase == "Running"]
    return {
        "metadata": {"name": name},
        "spec": {"networks": [{"name": where} for where, _ in places], "networkMode": mode},
        "status": {"phase": phase, "networks": running, "ports": ports},
    }


NETWORKS = [network("shop", 77), network("back", 78, internal=True), network("unused", 79)]
CONTAINERS = [
    container(
        "web", ("shop", "10.77.0.2"), ("back", "10.78.0.2"), ports=({"hostPort": 80, "containerPort": 8},)
    ),
    container("db", ("back", "10.78.0.3")),
    container("old", ("shop", "10.77.0.9"), phase="Exited"),
    container("exporter", mode="host"),
    container("debug", mode="container:web"),
]
TEXT = """\
back  bridge  10.78.0.0/24  gateway 10.78.0.1  internal  hold-back
├─ db   10.78.0.3  Running
└─ web  10.78.0.2  Running  0.0.0.0:80->8/tcp

shop  bridge  10.77.0.0/24  gateway 10.77.0.1  hold-shop
├─ old  -          Exited
└─ web  10.77.0.2  Running  0.0.0.0:80->8/tcp

unused  bridge  10.79.0.0/24  gateway 10.79.0.1  hold-unused

host's own network
└─ exporter  -  Running

network of web
└─ debug  Running
"""


def draw(*only: str, whole: bool = True) -> NetworkMap:
    return draw_map(NETWORKS, CONTAINERS, only=only, whole=whole)


def test_text_has_each_container_below_its_networks() -> None:
    assert render_text(draw()) == TEXT


def test_one_network_has_its_own_alone() -> None:
    near = draw("shop")
    assert [each.name for each in near.networks] == ["shop"]
    assert [each.name for each in near.containers] == ["debug", "old", "web"]
    assert "10.78" not in render_text(near)


def test_what_a_selector_leaves_out_has_no_network() -> None:
    assert [each.name for each in draw(whole=False).networks] == ["back", "shop", "host"]
    assert render_text(draw_map([], [], only=[], whole=True)) == "no networks\n"


def test_the_document_joins_containers_and_networks() -> None:
    document = render_dot(draw())
    assert document == render_dot(draw())
    edges = set(re.findall(r'^  "(.+)" -> "(.+)" \[', document, re.MULTILINE))
    assert edges == {
        ("network back", "container db"),
        ("network back", "container web"),
        ("container web", "network shop"),
        ("network shop", "container old"),
        ("network host", "container exporter"),
        ("container web", "container debug"),
    }
    for words in (">hold-shop<", "</font> running", "</font> not running", "published port", "dashed line"):
        assert words in document


def test_a_crowd_stands_on_both_sides() -> None:
    crowd = [container(f"c{number:02}", ("shop", f"10.77.0.{number + 2}")) for number in range(60)]
    document = render_dot(draw_map(NETWORKS[:1], crowd, only=[], whole=True))
    assert document.count('-> "network shop"') == document.count('"network shop" ->') == 30
    assert set(re.findall(r"minlen=(\d)", document)) == {"1", "2"}


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is missing")
def test_graphviz_takes_the_document(tmp_path: Path) -> None:
    odd = [*CONTAINERS, container('a "<&>\\', ("shop", "10.77.0.7"))]
    path = tmp_path / "networks.svg"
    _lay_out(render_dot(draw_map(NETWORKS, odd, only=[], whole=True)), str(path))
    picture = path.read_text()
    assert picture.count('class="node"') == len(NETWORKS) + 1 + len(odd)
    assert picture.count('class="edge"') == 7
    assert "10.77.0.2" in picture


def test_flags() -> None:
    parser = argparse.ArgumentParser()
    add_graph(parser)
    options = parser.parse_args(["--network", "a", "--network", "b", "-o", "x.svg", "-l", "app=shop"])
    assert (options.network, options.output, options.selector, options.format) == (
        ["a", "b"],
        "x.svg",
        "app=shop",
        None,
    )
