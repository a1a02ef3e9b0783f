"""The manual says what the program does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from controller.api.convert import to_draft
from controller.api.status import CODES, derive_reason
from controller.api.v1 import (
    archive_pb2,
    container_pb2,
    image_pb2,
    registry_pb2,
    state_pb2,
    system_pb2,
    volume_pb2,
)
from controller.cli.main import COMMANDS
from controller.errors import HoldError, ManagedElsewhere
from controller.manifests.load import load_documents
from controller.model.explain import describe_fields
from controller.model.ids import KINDS, KindName
from controller.settings import Settings, list_flags, load_settings
from tests.manifest_reference import REFERENCE_PATH, render_reference

ROOT_PATH = Path(__file__).parents[2]
MANUAL_PATHS = [ROOT_PATH / "README.md", *sorted((ROOT_PATH / "docs").rglob("*.md"))]


def list_yaml_examples() -> Iterator[object]:
    """Every YAML example of objects, by its place."""
    for path in MANUAL_PATHS:
        for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL)):
            if "kind:" in text:
                yield pytest.param(text, id=f"{path.name}-{number}")


def test_the_manifest_reference_is_current() -> None:
    assert REFERENCE_PATH.read_text() == render_reference(), "run: python -m tests.manifest_reference"


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: KindName) -> None:
    assert [field.path for field in describe_fields(kind) if not field.description] == []


def test_a_field_is_described_as_manifests_spell_it() -> None:
    fields = {field.path: field for field in describe_fields("Container")}
    port = fields["spec.ports[].containerPort"]
    assert (port.type, port.required, port.default) == ("integer", True, "")
    assert fields["spec.dependsOn.NAME.condition"].default == "started"
    assert fields["spec.resources.memory"].type == "size"
    assert (fields["spec.stopGracePeriod"].type, fields["spec.stopGracePeriod"].default) == (
        "duration",
        "10s",
    )
    assert not [path for path in fields if path.startswith("assigned")]


@pytest.mark.parametrize("text", list(list_yaml_examples()))
def test_an_example_can_be_loaded(text: str) -> None:
    assert load_documents(text, source="example")


@pytest.mark.parametrize("path", MANUAL_PATHS, ids=lambda path: path.name)
def test_what_a_page_links_to_exists(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


def read_table(page: str, header: str) -> list[list[str]]:
    """Return the cells of the rows below a header line, without marks of code."""
    text = (ROOT_PATH / "docs" / page).read_text()
    lines = text[text.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_is_in_the_manual() -> None:
    rows = read_table("configuration.md", "| flag | variable |")
    wanted = []
    for flag, name, description in list_flags():
        field = Settings.model_fields[name]
        wanted.append([flag, "HOLD_" + flag[2:].replace("-", "_").upper(), field.alias, description])
    assert [[flag, variable, key, text] for flag, variable, key, _, text in rows] == wanted


def test_the_defaults_of_settings_are_those_of_the_manual(tmp_path: Path) -> None:
    rows = read_table("configuration.md", "| flag | variable |")
    said = {variable: default for _, variable, _, default, _ in rows if default}
    (tmp_path / "daemon.yaml").write_text("")
    flags = {"config": str(tmp_path / "daemon.yaml")}
    assert load_settings(flags, said) == load_settings(flags, {})
    assert len(said) == sum(field.default not in (None, "", ()) for field in Settings.model_fields.values())


def test_every_error_is_in_the_manual_with_its_code() -> None:
    rows = read_table("api.md", "| reason | code |")
    assert [row[:2] for row in rows] == [[spell_reason(error), code.name] for error, code in CODES.items()]


def spell_reason(error: type[HoldError]) -> str:
    if issubclass(error, ManagedElsewhere):
        return derive_reason(error("text", manager="other"))
    return derive_reason(error("text"))


def test_every_method_is_in_the_manual() -> None:
    said = {
        service: methods.split(", ") for service, methods in read_table("api.md", "| service | methods |")
    }
    files = (state_pb2, container_pb2, archive_pb2, image_pb2, registry_pb2, system_pb2, volume_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    wanted = {service.full_name: [method.name for method in service.methods] for service in services}
    assert said == wanted | {"grpc.health.v1.Health": ["Check", "Watch"]}


def test_commands_in_the_manual_exist() -> None:
    named = set()
    for path in MANUAL_PATHS:
        for text in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL):
            named |= set(re.findall(r"^(?:HOLD_\w+=\S+ )?hold (?:--host \S+ )?([a-z]+)", text, re.MULTILINE))
    assert named - COMMANDS.keys() == set()


def test_requests_in_the_manual_are_those_of_the_api() -> None:
    text = (ROOT_PATH / "docs/api.md").read_text()
    inline = re.findall(r"-d '(.*?)' \S+ hold\.v1\.StateService/(\w+)", text)
    long = re.findall(r"hold\.v1\.StateService/(\w+) <<'JSON'\n(.*?)\nJSON", text, re.DOTALL)
    requests = [(method, body) for body, method in inline] + long
    assert len(requests) >= 4
    service = state_pb2.DESCRIPTOR.services_by_name["StateService"]
    for method, body in requests:
        message = GetMessageClass(service.methods_by_name[method].input_type)()
        json_format.Parse(body, message)
        for resource in getattr(message, "resources", ()):
            assert to_draft(resource).key.kind == resource.kind


def test_decisions_have_numbers_of_their_own() -> None:
    paths = sorted((ROOT_PATH / "docs" / "decisions").glob("*.md"))
    numbers = [path.name.partition("-")[0] for path in paths]
    assert len(set(numbers)) == len(numbers)
    titles = [path.read_text().partition("\n")[0] for path in paths]
    assert [int(re.sub(r"\D.*", "", title.removeprefix("# "))) for title in titles] == [*map(int, numbers)]
