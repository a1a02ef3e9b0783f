"""Texts to resources: what is accepted, and how each mistake is told."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import HoldError, Invalid, NotFound, Refused
from controller.manifests.dump import dump_yaml
from controller.manifests.load import load_documents, load_path
from controller.manifests.yaml_values import parse_documents, resolve_plain

_GOOD = """
apiVersion: hold/v1
kind: Container
metadata: {name: web}
spec:
  image: shop:1
  restart: no
  ports: [22:22, "8080:80", 9]
  mounts:
    - {type: tmpfs, target: /x, mode: 0755}
    - data:/data:ro
"""


def _refuse(text: str) -> str:
    with pytest.raises(Invalid) as caught:
        load_documents(text, source="m.yaml")
    return caught.value.message


def test_yaml_traps_are_closed() -> None:
    spec: Any = load_documents(_GOOD, source="m.yaml")[0].resource.spec
    assert spec.restart.name == "no"
    assert [(port.host_port, port.container_port) for port in spec.ports] == [(22, 22), (8080, 80), (0, 9)]
    assert [mount.mode for mount in spec.mounts] == [0o755, 0o1777]


@pytest.mark.parametrize(
    ("word", "value"),
    [("yes", "yes"), ("on", "on"), ("true", True), ("0x10", 16), ("0o17", 15), ("1e3", 1000.0), ("1_000", "1_000"),
     ("2024-01-01", "2024-01-01"), ("-5", -5), ("~", None), ("12:30:45", "12:30:45"), ("08", "08")],
)  # fmt: skip
def test_plain_words(word: str, value: object) -> None:
    assert resolve_plain(word) == value


def test_several_documents_lists_and_json() -> None:
    volume = {"kind": "Volume", "metadata": {"name": "a"}}
    network = {"kind": "Network", "metadata": {"name": "b"}, "status": {"bridge": "x"}}
    text = "---\n" + json.dumps({"kind": "List", "items": [volume, network]}) + "\n---\n# nothing\n---\n"
    assert [str(each.key) for each in load_documents(text, source="m.json")] == ["Volume/a", "Network/b"]


def test_every_mistake_is_told_at_once_with_its_place() -> None:
    message = _refuse(_GOOD.replace("image:", "imgae:").replace("mode: 0755", "szie: 4"))
    assert "m.yaml:6:3 Container/web: spec.imgae: unknown field; did you mean image?" in message
    assert "m.yaml:10:33 Container/web: spec.mounts[0].szie: unknown field; did you mean size?" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Contaner\n", ["m.yaml:1:1 kind", "'Contaner' is not a kind", "did you mean Container?"]),
        ("metadata: {name: a}\n", ["kind", "is required"]),
        ("just words\n", ["m.yaml:1:1", "is not an object"]),
        ("kind: Volume\nmetadata: {name: a}\nkind: Volume\n", ["m.yaml:3:1", "'kind' stands twice"]),
        ("kind: Volume\nmetadata:\n\tname: a\n", ["m.yaml:3:1", "tab", "spaces"]),
        ("kind: Volume\nmetadata: {name: [\n", ["m.yaml:3:1"]),
        ("kind: Volume\nmetadata: {name: 'a\n", ["m.yaml:", "ends in the middle"]),
        ("kind: Volume\nmetadata: {name: '-a'}\nspec: {drivr: local}", ["drivr", "did you mean driver?"]),
        ("kind: Volume\nmetadata: {}\n", ["metadata.name: is required"]),
        ("kind: Volume\nmetadata: !!python/object:os.system {name: a}\n", ["m.yaml:2"]),
        ("kind: List\n", ["a List needs items"]),
        ("kind: Container\nmetadata: {name: a}\nspec: {image: x, ports: [70000]}", ["70000", "65535"]),
        (
            "kind: Container\nmetadata: {name: a}\nspec: {image: x, stopSignal: SIGTREM}",
            ["did you mean SIGTERM?"],
        ),
        (
            "kind: Container\nmetadata: {name: a}\nspec: {image: x, resources: {pids: -1}}",
            ["spec.resources.pids"],
        ),
        ("kind: Container\nmetadata: {name: a}\nspec: {image: x, rootfs: /y}", ["either image or rootfs"]),
        ("kind: Container\nmetadata: {name: a}\nspec: {image: x, mounts: ['/a/../b:/c']}", ["without '..'"]),
        (
            "kind: Volume\nmetadata: {name: a}\n---\nkind: Volume\nmetadata: {name: a}\n",
            ["declared twice", "m.yaml:1"],
        ),
    ],
)
def test_mistakes(text: str, words: list[str]) -> None:
    message = _refuse(text)
    assert [word for word in words if word not in message] == [], message


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "anchors make more than" in _refuse("\n".join(lines))


def test_a_huge_text_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(50 << 20)
    with pytest.raises(Invalid, match="larger than 8 MiB"):
        load_path(path)


def test_absurd_numbers_and_halves_of_characters_are_refused() -> None:
    number = "9" * 6000
    assert resolve_plain(number) == number
    assert "spec.resources.pids" in _refuse(
        f"kind: Container\nmetadata: {{name: a}}\nspec: {{image: x, resources: {{pids: {number}}}}}"
    )
    assert "half of a pair" in _refuse("kind: \ud800")


def test_nesting_has_an_end() -> None:
    assert "nested more than" in _refuse("a: " + "[" * 150 + "]" * 150)


def test_a_directory_is_read_whole_without_what_editors_leave(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yml").write_text("kind: Volume\nmetadata: {name: a}\n")
    (tmp_path / "b.json").write_text('{"kind": "Volume", "metadata": {"name": "b"}}')
    for name in (".c.yaml.swp", ".hidden.yaml", "d.yaml~", "#e.yaml#", "4913", "f.yaml.tmp"):
        (tmp_path / name).write_text("broken: [")
    assert sorted(each.key.name for each in load_path(tmp_path)) == ["a", "b"]


def test_findings_of_all_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Nothing\n")
    (tmp_path / "b.yaml").write_text("a: [")
    with pytest.raises(Invalid) as caught:
        load_path(tmp_path)
    assert "a.yaml" in caught.value.message
    assert "b.yaml" in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"gone\.yaml"):
        load_path(tmp_path / "gone.yaml")


@given(st.text(max_size=300))
def test_junk_never_does_more_than_be_refused(text: str) -> None:
    message = ""
    try:
        load_documents(text, source="junk")
    except HoldError as error:
        message = error.message
    assert message == "" or "junk" in message


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("abc01:-_.~ #'\"\n\té", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), _VALUES, min_size=1, max_size=4))
def test_what_is_dumped_is_read_back(value: dict[str, Any]) -> None:
    assert [document.value for document in parse_documents(dump_yaml(value), source="d")] == [value]


def test_a_deep_directory_is_read_to_its_end(tmp_path: Path) -> None:
    places = [tmp_path]
    for _ in range(1100):
        places.append(places[-1] / "a")
        places[-1].mkdir()
    (places[-1] / "v.yaml").write_text("kind: Volume\nmetadata: {name: deep}\n")
    try:
        assert [each.key.name for each in load_path(tmp_path)] == ["deep"]
    finally:
        (places[-1] / "v.yaml").unlink()
        for place in reversed(places[1:]):
            place.rmdir()


def test_what_can_not_be_seen_is_not_taken_for_nothing() -> None:
    with tempfile.TemporaryDirectory() as name:
        top, closed = Path(name), Path(name) / "closed"
        closed.mkdir(mode=0)
        top.chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            for path in (top, closed, closed / "v.yaml"):
                with pytest.raises(Refused, match="can't be read: permission denied"):
                    load_path(path)
        finally:
            if root:
                os.seteuid(0)
