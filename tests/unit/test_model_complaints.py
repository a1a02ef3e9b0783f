"""Values that can't be: each is shown, with what it has to be."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from controller.model.complaints import PATTERN_WORDS
from controller.model.container import Container
from controller.model.image import Image
from controller.model.network import Network
from controller.model.validation import list_violations
from controller.model.volume import Volume


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"resources": {"memory": "4m"}}, "resources.memory: '4m' is less than 6MiB, the least that it can be"),
        ({"oomScoreAdj": 2000}, "oomScoreAdj: 2000 is more than 1000, the most that it can be"),
        ({"workingDir": "srv"}, "workingDir: 'srv' is not an absolute path: begin with /"),
        ({"hostname": "a b"}, "hostname: 'a b' is not a host name: use 1 to 63 of a-z A-Z 0-9 _ . - and begin with a letter, digit or _"),
        ({"restart": {"name": "often"}}, "restart.name: 'often' is not 'no', 'always', 'unless-stopped' or 'on-failure'"),
        ({"dependsOn": {"db": {"condition": "up"}}}, "dependsOn.db.condition: 'up' is not 'started', 'healthy' or 'completed'"),
        ({"tty": "perhaps"}, "tty: 'perhaps' is not true or false"),
        ({"resources": {"pids": "many"}}, "resources.pids: 'many' is not a whole number"),
        ({"resources": {"cpus": "many"}}, "resources.cpus: 'many' is not a number"),
        ({"environment": {"A": [1]}}, "environment.A: [1] is not a text"),
        ({"resources": "x" * 100}, f"resources: '{'x' * 59}... is not a mapping: write {{name: value}}"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_what_it_has_to_be(spec: dict[str, object], told: str) -> None:
    document = {"kind": "Container", "metadata": {"name": "a"}, "spec": {"rootfs": "/", **spec}}
    with pytest.raises(ValidationError) as caught:
        Container.model_validate(document)
    found = [str(violation) for _, violation in list_violations(caught.value, Container, "C")]
    assert found == [f"C: spec.{told}"]


def test_a_host_name_may_have_what_dockers_has() -> None:
    spec = {"rootfs": "/", "hostname": "my_db.example"}
    Container.model_validate({"kind": "Container", "metadata": {"name": "a"}, "spec": spec})


def _list_patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from _list_patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _list_patterns(value)


def test_each_pattern_has_words() -> None:
    kinds = (Container, Network, Volume, Image)
    found = {pattern for kind in kinds for pattern in _list_patterns(kind.model_json_schema())}
    assert found - set(PATTERN_WORDS) == set()
