"""Differences are told field by field, in the manifest's spelling."""

import itertools

import pytest

from controller.model.changes import FieldChange
from controller.model.container import ContainerSpec
from controller.model.kinds import Spec
from controller.model.volume import VolumeSpec
from controller.plan.difference import (
    is_same_design,
    list_map_changes,
    list_recreate_paths,
    list_spec_changes,
)
from controller.plan.oci.spec_hash import derive_spec_hash


def spec(**fields: object) -> ContainerSpec:
    return ContainerSpec.model_validate({"image": "a", **fields})


def tell(old: Spec | None, new: Spec) -> list[tuple[str, str, str]]:
    return [(change.path, change.old, change.new) for change in list_spec_changes(old, new)]


def test_equal_specs_have_no_difference() -> None:
    assert tell(spec(ports=["80:80"]), spec(ports=["80:80"])) == []


def test_scalars_and_texts() -> None:
    assert tell(spec(resources={"memory": "64MiB"}), spec(resources={"memory": "1g"}, tty=True)) == [
        ("spec.resources.memory", "67108864", "1073741824"),
        ("spec.tty", "false", "true"),
    ]


def test_maps_by_name() -> None:
    old, new = spec(environment={"A": "1", "B": "2"}), spec(environment={"B": "3", "C": "ü"})
    assert tell(old, new) == [
        ("spec.environment.B", '"2"', '"3"'),
        ("spec.environment.C", "", '"ü"'),
        ("spec.environment.A", '"1"', ""),
    ]


def test_lists_of_objects_by_place_and_of_texts_as_a_whole() -> None:
    old, new = spec(ports=["80:80"], command=["a"]), spec(ports=["81:80", "82:82"], command=["a", "b"])
    assert tell(old, new) == [
        ("spec.command", '["a"]', '["a", "b"]'),
        ("spec.ports[0].hostPort", "80", "81"),
        (
            "spec.ports[1]",
            "",
            '{"hostIP": "", "hostPort": 82, "hostPortEnd": 0, "containerPort": 82, "protocol": "tcp"}',
        ),
    ]


def test_a_new_object_shows_what_is_not_a_default() -> None:
    assert tell(None, spec(tty=True)) == [("spec.image", "", '"a"'), ("spec.tty", "", "true")]
    assert tell(None, VolumeSpec()) == []


def test_labels() -> None:
    assert list_map_changes("metadata.labels", {"a": "1"}, {"a": "2"}) == (
        FieldChange(path="metadata.labels.a", old='"1"', new='"2"'),
    )


def test_recreate_paths_are_those_of_the_process() -> None:
    new = spec(command=["x"], readOnly=True, restart="always", run=3)
    assert list_recreate_paths(spec(), new) == ("spec.command", "spec.readOnly")
    assert list_recreate_paths(VolumeSpec(), VolumeSpec()) == ()


_SPECS = (
    spec(),
    spec(networkMode="none"),
    spec(networkMode="host"),
    spec(networks=["a"], restart="always"),
    spec(init=False),
    spec(init=True),
    spec(command=["x"]),
    spec(networkMode="none", command=["x"]),
    spec(resources={"memory": "64m"}, stopSignal="INT"),
)


@pytest.mark.parametrize(("old", "new"), [*itertools.product(_SPECS, repeat=2)])
def test_a_plan_speaks_of_a_new_process_where_one_comes(old: ContainerSpec, new: ContainerSpec) -> None:
    assert bool(list_recreate_paths(old, new)) is (derive_spec_hash(old) != derive_spec_hash(new))


def test_start_and_stop_are_no_new_design() -> None:
    assert is_same_design(spec(), spec(run=4, desired="stopped"))
    assert not is_same_design(spec(), spec(run=4, tty=True))
