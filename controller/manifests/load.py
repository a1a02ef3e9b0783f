"""Texts and files to resources, with every finding of a text at once and its place in the file."""

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from controller.errors import Invalid, NotFound, Refused, Violation
from controller.manifests.yaml_values import MOST_BYTES, Document, Place, parse_documents
from controller.model.ids import KINDS, Key
from controller.model.kinds import RESOURCE_TYPES, Resource, key_of
from controller.model.validation import list_violations

SUFFIXES = (".yaml", ".yml", ".json")
_LIST_KIND = "List"
_OWN_KEYS = ("status",)
"""What `hold get` prints and nobody declares: left aside, so that its output can be applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedResource:
    """A resource and where its text begins."""

    resource: Resource
    source: str
    line: int

    @property
    def key(self) -> Key:
        return key_of(self.resource)


def load_documents(text: str, *, source: str) -> list[LoadedResource]:
    """Return the resources of a text of one or more documents; `kind: List` holds several in `items`.

    Invalid lists every finding, each as `FILE:LINE:COLUMN Kind/name: path` with what is wrong.
    """
    loaded: list[LoadedResource] = []
    violations: list[Violation] = []
    for document in parse_documents(text, source=source):
        for value, place in _list_objects(document, source):
            try:
                loaded.append(_load(document, value, place, source))
            except Invalid as error:
                violations.extend(error.violations)
    violations.extend(_find_doubles(loaded))
    if violations:
        raise Invalid.of(violations)
    return loaded


def _list_objects(document: Document, source: str) -> Iterator[tuple[Any, Place]]:
    value = document.value
    if not isinstance(value, dict) or value.get("kind") != _LIST_KIND:
        yield value, ()
        return
    items = value.get("items")
    if not isinstance(items, list):
        line, column = document.find_position(("items",))
        raise Invalid(f"{source}:{line}:{column}: a List needs items")
    for index, item in enumerate(items):
        yield item, ("items", index)


def _load(document: Document, value: Any, place: Place, source: str) -> LoadedResource:  # noqa: ANN401
    def locate(inner: Place) -> str:
        line, column = document.find_position((*place, *inner))
        return f"{source}:{line}:{column}"

    if not isinstance(value, dict):
        raise Invalid.of(
            [Violation(field=locate(()), message="is not an object with kind, metadata and spec")]
        )
    kind = value.get("kind")
    if kind not in RESOURCE_TYPES:
        raise Invalid.of([Violation(field=f"{locate(('kind',))} kind", message=_explain_kind(kind))])
    metadata = value.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    subject = f"{kind}/{name}"
    model = RESOURCE_TYPES[kind]
    try:
        resource = model.model_validate({key: part for key, part in value.items() if key not in _OWN_KEYS})
    except ValidationError as error:
        raise Invalid.of(
            [
                Violation(field=f"{locate(inner)} {found.field}", message=found.message)
                for inner, found in list_violations(error, model, subject)
            ]
        ) from error
    return LoadedResource(resource=resource, source=source, line=document.find_position(place)[0])


def _explain_kind(kind: object) -> str:
    if kind is None:
        return f"is required; known are {', '.join(KINDS)}"
    near = difflib.get_close_matches(str(kind).capitalize(), KINDS, n=1)
    return f"{kind!r} is not a kind; " + (
        f"did you mean {near[0]}?" if near else f"known are {', '.join(KINDS)}"
    )


def _find_doubles(loaded: list[LoadedResource]) -> Iterator[Violation]:
    first: dict[Key, LoadedResource] = {}
    for each in loaded:
        earlier = first.setdefault(each.key, each)
        if earlier is not each:
            yield Violation(
                field=f"{each.source}:{each.line} {each.key}",
                message=f"is declared twice; first at {earlier.source}:{earlier.line}",
            )


def is_manifest(path: Path) -> bool:
    """Tell whether a file's name is one of a manifest; hidden files and those of editors are not."""
    name = path.name
    return name.endswith(SUFFIXES) and not name.startswith((".", "#", "~"))


def list_manifests(directory_path: Path) -> list[Path]:
    """Return the manifests below a directory, in order of path; hidden directories are left out.

    Refused where not all of it can be seen: what is not seen must not pass for what is not declared.
    """
    found: list[Path] = []
    pending = [directory_path]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(here) as entries:
                visible = [each for each in entries if not each.name.startswith(".")]
        except OSError as error:
            raise Refused(f"{here} can't be read: {(error.strerror or str(error)).lower()}") from error
        pending += [here / each.name for each in visible if each.is_dir(follow_symlinks=False)]
        found += [here / each.name for each in visible if is_manifest(Path(each.name)) and each.is_file()]
    return sorted(found)


def read_text(path: Path) -> str:
    """Return a manifest's text. NotFound, Refused or Invalid name the file."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid(f"{path}: is larger than {MOST_BYTES >> 20} MiB: split it into several files")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{path}: is not UTF-8 text") from error
    except OSError as error:
        raise Refused(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from error


def load_path(path: Path) -> list[LoadedResource]:
    """Return the resources of a file, or of all manifests below a directory; findings of all files together."""
    if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where the way there is barred
        return load_documents(read_text(path), source=str(path))
    loaded: list[LoadedResource] = []
    violations: list[Violation] = []
    for each in list_manifests(path):
        try:
            loaded.extend(load_documents(read_text(each), source=str(each)))
        except Invalid as error:
            violations.extend(error.violations or [Violation(field="", message=error.message)])
    violations.extend(_find_doubles(loaded))
    if violations:
        raise Invalid.of(violations)
    return loaded
