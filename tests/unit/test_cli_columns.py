"""Tables of `hold get`."""

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.columns import Columns, Tables, print_tables


def _make(kind: str, name: str, **labels: str) -> resource_pb2.Resource:
    resource = resource_pb2.Resource(kind=kind, metadata=resource_pb2.Metadata(name=name, labels=labels))
    getattr(resource, kind.lower()).SetInParent()
    return resource


@pytest.mark.parametrize(
    ("resources", "columns", "lines"),
    [
        ([], Columns(), []),
        ([_make("Volume", "a")], Columns(), ["NAME   DRIVER   READY     AGE", "a      local    Unknown   -"]),
        ([_make("Volume", "a")], Columns(headers=False), ["a   local   Unknown   -"]),
        (
            [_make("Volume", "a", app="shop", tier="db"), _make("Volume", "b")],
            Columns(labels=True, headers=False),
            ["a   local   Unknown   -   app=shop,tier=db", "b   local   Unknown   -   <none>"],
        ),
        ([_make("Volume", "a")], Columns(kinds=True, headers=False), ["volume/a   local   Unknown   -"]),
        (
            [_make("Volume", "a"), _make("Network", "n")],
            Columns(headers=False),
            ["network/n   -   -   Unknown   -", "", "volume/a   local   Unknown   -"],
        ),
    ],
)
def test_tables(
    resources: list[resource_pb2.Resource],
    columns: Columns,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_tables(resources, columns)
    assert capsys.readouterr().out.splitlines() == lines


def test_what_comes_later_is_under_the_same_columns() -> None:
    tables = Tables(Columns(kinds=True))
    first = tables.render([_make("Volume", "long-name"), _make("Volume", "b")])
    assert first.splitlines() == [
        "NAME               DRIVER   READY     AGE",
        "volume/long-name   local    Unknown   -",
        "volume/b           local    Unknown   -",
    ]
    assert tables.render([_make("Volume", "c")]) == "volume/c           local    Unknown   -"
    assert tables.render([_make("Volume", "b")], gone=True) == "volume/b           local    Deleted   -"
    assert tables.render([_make("Network", "n")]).startswith("NAME ")
    assert tables.render([]) == ""
