"""What becomes of a container's output: its own settings, the daemon's where it says nothing, then the driver's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.errors import Refused
from controller.model.log_forms import TAG_WORD
from controller.model.logs import LogDriver, LogSettings, list_misfits

_SHORT_ID = 12
_LOCAL_MAX_BYTES, _LOCAL_MAX_FILES = 20 << 20, 5
_BUFFER_BYTES = 1 << 20
_DEFAULT_TAG = "{{.ID}}"
_NO_FIELD_LETTER = re.compile(r"[^A-Z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDefaults:
    """The daemon's own settings: the driver, its options, and the limits of json-file where they name none."""

    max_bytes: int
    max_files: int
    driver: LogDriver = LogDriver.JSON_FILE
    options: LogSettings = field(default_factory=LogSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledLog:
    """What is done with a container's output.

    `buffer_bytes` is how much may wait before it is dropped, 0 where the process waits instead. `tag` still has its words
    in braces. The limits are those of a file.
    """

    driver: LogDriver
    max_bytes: int
    max_files: int
    compress: bool
    buffer_bytes: int
    tag: str

    @property
    def is_file(self) -> bool:
        """Whether there is a file of it."""
        return self.driver in (LogDriver.JSON_FILE, LogDriver.LOCAL)


def merge_settings(asked: LogSettings, defaults: LogDefaults) -> LogSettings:
    """Return a container's settings with the daemon's options, which are for the daemon's driver, put in.

    Refused when they ask the driver for what it can't do.
    """
    driver = asked.driver or defaults.driver
    given = asked.model_dump(exclude_defaults=True)
    options = defaults.options.model_dump(exclude_defaults=True) if driver is defaults.driver else {}
    merged = LogSettings.model_construct(**{**options, **given, "driver": driver})
    for complaint in list_misfits(merged, driver):
        raise Refused(f"logging: {complaint}")
    return merged


def settle_log(asked: LogSettings, defaults: LogDefaults) -> SettledLog:
    """Return what is done; Refused when the driver can't do it."""
    merged = merge_settings(asked, defaults)
    driver = merged.driver or defaults.driver
    is_local = driver is LogDriver.LOCAL
    max_files = merged.max_files or (_LOCAL_MAX_FILES if is_local else defaults.max_files)
    compress = merged.compress if merged.compress is not None else is_local
    buffer_bytes = (merged.max_buffer_bytes or _BUFFER_BYTES) if merged.mode == "non-blocking" else 0
    return SettledLog(
        driver=driver,
        max_bytes=merged.max_size_bytes or (_LOCAL_MAX_BYTES if is_local else defaults.max_bytes),
        max_files=max_files,
        compress=compress and max_files > 1,
        buffer_bytes=buffer_bytes,
        tag=merged.tag or "",
    )


def render_tag(tag: str, *, uid: str, name: str, image: str) -> str:
    """Return a tag with its words in braces filled in."""
    words = {
        "ID": uid[:_SHORT_ID],
        "FullID": uid,
        "Name": name,
        "ImageName": image,
        "DaemonName": "hold",
    }
    return TAG_WORD.sub(lambda match: words[match[1]], tag)


def render_journal_fields(
    details: Mapping[str, str], *, uid: str, name: str, image: str, tag: str
) -> dict[str, str]:
    """Return what each entry of the journal is marked with, as Docker marks it; details can't hide who wrote it."""
    rendered = render_tag(tag or _DEFAULT_TAG, uid=uid, name=name, image=image)
    spelled = {_NO_FIELD_LETTER.sub("_", key.upper()).lstrip("_"): text for key, text in details.items()}
    return {key: text for key, text in spelled.items() if key} | {
        "CONTAINER_ID": uid[:_SHORT_ID],
        "CONTAINER_ID_FULL": uid,
        "CONTAINER_NAME": name,
        "CONTAINER_TAG": rendered,
        "SYSLOG_IDENTIFIER": rendered,
        "IMAGE_NAME": image,
    }


def choose_details(
    settings: LogSettings, *, tag: str, labels: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return what `logs --details` shows: the labels and variables that are named or match, and a `tag`."""
    chosen = _choose(labels, settings.labels, settings.labels_regex)
    chosen |= _choose(environment, settings.environment, settings.environment_regex)
    return chosen | ({"tag": tag} if tag else {})


def _choose(values: Mapping[str, str], names: tuple[str, ...], pattern: str | None) -> dict[str, str]:
    return {
        name: value
        for name, value in values.items()
        if name in names or (pattern is not None and re.search(pattern, name))
    }
