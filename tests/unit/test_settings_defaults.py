"""What the daemon's settings give to containers: how it is written."""

from pathlib import Path

import pytest

from controller.errors import Invalid
from controller.model.resources import Ulimit
from controller.settings import Settings, load_settings

FILES = Ulimit(soft=100, hard=200)


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return load_settings({"config": str(path)}, {})


@pytest.mark.parametrize(
    "text",
    [
        "defaultUlimits: {nofile: 100:200}",
        "defaultUlimits:\n  nofile: {soft: 100, hard: 200}",
        '{"defaultUlimits": {"nofile": {"Name": "nofile", "Hard": 200, "Soft": 100}}}',
        "defaultUlimits: nofile=100:200",
    ],
)
def test_ulimits_are_written_as_docker_or_manifests_have_them(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).default_ulimits == {"nofile": FILES}


def test_a_small_pair_is_no_number_to_the_base_of_60(tmp_path: Path) -> None:
    limit = load(tmp_path, "defaultUlimits: {nproc: 10:20}").default_ulimits["nproc"]
    assert limit == Ulimit(soft=10, hard=20)
    assert load(tmp_path, "resyncInterval: 5\ninit: true\nlogMaxFiles: 7").log_max_files == 7


def test_flags_and_variables() -> None:
    settings = load_settings(
        {"default_ulimits": "nofile=100:200,core=0", "default_shm_size_bytes": "1g"}, {"HOLD_INIT": "true"}
    )
    assert settings.default_ulimits == {"nofile": FILES, "core": Ulimit(soft=0, hard=0)}
    assert settings.container_defaults.shm_size_bytes == 1 << 30
    assert settings.container_defaults.init


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("defaultUlimits: {files: 1}", "defaultUlimits: files"),
        ("defaultUlimits: {nofile: 200:100}", "the soft limit 200 is above the hard limit 100"),
        ("defaultUlimits: {nofile: x}", "'x' is not a limit"),
        ("defaultUlimits: {nofile: {Name: core, Soft: 1, Hard: 1}}", "is called 'core' inside"),
        ("defaultShmSize: lots", "defaultShmSize"),
        ("init: maybe", "init"),
    ],
)
def test_a_wrong_one_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        load(tmp_path, text)
    assert told in str(caught.value)
