"""Which streams a run is attached to, and the file of its id."""

from pathlib import Path

import pytest

from controller.cli.client import Failure
from controller.cli.main import make_parser
from controller.cli.run import build_container
from controller.cli.run_streams import choose_streams, reserved_id_file


@pytest.mark.parametrize(
    ("words", "streams"),
    [
        ([], {"stdout", "stderr"}),
        (["-i"], {"stdin", "stdout", "stderr"}),
        (["-a", "stdout"], {"stdout"}),
        (["-i", "-a", "STDERR"], {"stderr"}),
        (["-i", "-a", "stdin", "--attach=stdout"], {"stdin", "stdout"}),
        (["-a", "stdin", "--attach=stdout"], {"stdout"}),
        (["-d"], {"stdout", "stderr"}),
    ],
)
def test_streams(words: list[str], streams: set[str]) -> None:
    assert choose_streams(make_parser("run").parse_args([*words, "box"])) == streams


@pytest.mark.parametrize("words", [["-a", "what"], ["-d", "-a", "stdout"]])
def test_wrong_streams_are_told(words: list[str]) -> None:
    with pytest.raises(Failure, match="--attach") as caught:
        choose_streams(make_parser("run").parse_args([*words, "box"]))
    assert caught.value.code == 125


def test_input_is_open_only_when_it_is_interactive() -> None:
    options = make_parser("run").parse_args(["-a", "stdin", "--annotation", "a=b", "box"])
    resource = build_container(options)
    assert not resource.container.stdin_open
    interactive = make_parser("create").parse_args(["-i", "-a", "stdin", "box"])
    assert build_container(interactive).container.stdin_open
    assert dict(resource.metadata.annotations) == {"a": "b"}


def test_the_id_is_written_to_a_new_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "id"
    with reserved_id_file(str(path)) as file:
        assert path.exists()
        file.write("f" * 32)
    assert path.read_text() == "f" * 32
    with pytest.raises(Failure, match="is there already"), reserved_id_file(str(path)):
        pass
    assert path.read_text() == "f" * 32


def test_a_run_that_fails_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "id"
    with pytest.raises(Failure, match="refused"), reserved_id_file(str(path)):
        raise Failure("refused")
    assert not path.exists()
    with pytest.raises(Failure, match="can't be written"), reserved_id_file(str(tmp_path / "no" / "id")):
        pass
    with reserved_id_file("") as file:
        file.write("x")
