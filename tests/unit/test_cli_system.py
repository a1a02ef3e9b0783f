"""info, version: by templates."""

import pytest

from controller.api.v1 import system_pb2
from controller.cli.formats import Format
from controller.cli.system import view_info, view_version


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Client.Version}} {{.Server.Version}} {{.Server.Arch}}", "1.0 2.0 amd64"),
        ("{{.daemon.version}} {{.Client.Version}}", "2.0 1.0"),
    ],
)
def test_versions(template: str, text: str) -> None:
    fields = {"client": {"version": "1.0"}, "daemon": {"version": "2.0", "architecture": "x86_64"}}
    assert Format(template).fill(view_version(fields)) == text


def test_a_client_alone_has_no_server_version() -> None:
    assert Format("{{.Server.Version}}|").fill(view_version({"client": {"version": "1.0"}})) == "|"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.ContainersRunning}}/{{.Containers}} {{.Images}}", "2/3 4"),
        ("{{.ServerVersion}} {{.instance}} {{.NCPU}}", "2.0 hold 8"),
        ("{{.CgroupVersion}} {{.objects.Image}}", "2 4"),
    ],
)
def test_facts(template: str, text: str) -> None:
    answer = system_pb2.GetInfoResponse(
        version="2.0",
        instance="hold",
        containers_running=2,
        containers_stopped=1,
        processors=8,
        cgroup_layout="v2",
        objects={"Image": 4},
    )
    assert Format(template).fill(view_info(answer)) == text
