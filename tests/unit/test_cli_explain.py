"""`hold explain` says what the models say."""

import pytest

from controller.cli.main import run as run_cli


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("container", "  spec <object> required"),
        ("co.spec.ports", "  containerPort <integer> required"),
        ("container.spec.ports[0].hostIP", "FIELD: spec.ports[].hostIP <text>"),
        ("container.spec.dependsOn.condition", "FIELD: spec.dependsOn.NAME.condition"),
        ("container.spec.stopGracePeriod", "<duration> default 10s"),
        ("volume", "KIND: Volume"),
    ],
)
def test_fields_are_explained(path: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["explain", path]) == 0
    assert told in capsys.readouterr().out


def test_fields_of_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["explain", "--recursive", "container.spec"]) == 0
    assert "\n      hostPort <integer> default 0\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("container.spec.prots", "'prots' is not a field of spec; did you mean ports?: known are image,"),
        ("container.what", "'what' is not a field of the top"),
        ("container.spec.user.name", "it has no fields"),
        ("pod", "'pod' is not a kind"),
    ],
)
def test_what_is_not_there_is_told(path: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["explain", path]) == 1
    assert told in capsys.readouterr().err
