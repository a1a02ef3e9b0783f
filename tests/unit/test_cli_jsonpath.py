"""JSONPath as kubectl has it."""

from typing import Any

import pytest

from controller.cli.client import Failure
from controller.cli.jsonpath import find_all, render_template

DOCUMENT: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "shop"}},
    "status": {
        "restarts": 0,
        "oomKilled": False,
        "conditions": [
            {"type": "Ready", "status": "True", "age": 3},
            {"type": "NetworksAttached", "status": "False", "age": 9},
        ],
        "ports": [80, 81, 82],
    },
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (".metadata.name", "web"),
        ("{.metadata.name}", "web"),
        ("{metadata.name}", "web"),
        ("{$.metadata.name}", "web"),
        ("name: {.metadata.name}!", "name: web!"),
        ("{.status.restarts} {.status.oomKilled}", "0 false"),
        ("{.nowhere.at.all}", ""),
        (r"{.metadata.labels.app\.kubernetes\.io/name}", "shop"),
        ("{.metadata.labels['app.kubernetes.io/name']}", "shop"),
        ("{.status.ports[0]} {.status.ports[-1]} {.status.ports[9]}", "80 82 "),
        ("{.status.ports[*]}", "80 81 82"),
        ("{.status.ports[1:]}", "81 82"),
        ("{.status.ports}", "[80, 81, 82]"),
        ("{.status.conditions[*].type}", "Ready NetworksAttached"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.status.conditions[?(@.type != 'Ready')].type}", "NetworksAttached"),
        ("{.status.conditions[?(@.age > 5)].type}", "NetworksAttached"),
        ("{.status.conditions[?(@.missing)].type}", ""),
        ("{..type}", "Ready NetworksAttached"),
        (
            '{range .status.conditions[*]}{.type}={.status}{"\\n"}{end}',
            "Ready=True\nNetworksAttached=False\n",
        ),
        ("{'{'}{.metadata.name}{'}'}", "{web}"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render_template(template, DOCUMENT) == text


@pytest.mark.parametrize(
    "template", ["{.a", "{range .a}", "{end}", "{.a[}", "{.status.conditions[?(what)].type}"]
)
def test_what_cannot_be_read_is_refused(template: str) -> None:
    with pytest.raises(Failure, match="jsonpath"):
        render_template(template, DOCUMENT)


def test_values_keep_their_types() -> None:
    assert find_all(".status.ports[*]", DOCUMENT) == [80, 81, 82]
    assert find_all("{.status.oomKilled}", DOCUMENT) == [False]
