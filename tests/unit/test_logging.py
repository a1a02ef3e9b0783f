"""What is asked of logs: by manifests, by Docker's words, by the daemon's settings."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from controller.errors import Invalid, Refused
from controller.model.log_forms import parse_log_options
from controller.model.logs import LogDriver, LogSettings
from controller.plan.logs import LogDefaults, SettledLog, choose_details, render_tag, settle_log
from controller.settings import Settings, load_settings

FILES = LogDefaults(max_bytes=1 << 24, max_files=3)
UID = "0123456789abcdef" * 2


def _settle(document: dict[str, Any], defaults: LogDefaults = FILES) -> SettledLog:
    return settle_log(LogSettings.model_validate(document), defaults)


@pytest.mark.parametrize(
    ("options", "document"),
    [
        ({"max-size": "10m", "max-file": "3"}, {"maxSize": 10 << 20, "maxFiles": 3}),
        ({"compress": "T"}, {"compress": True}),
        ({"compress": "0"}, {"compress": False}),
        ({"tag": "a"}, {"tag": "a"}),
        ({"labels": "a, b", "env": "C"}, {"labels": ["a", "b"], "environment": ["C"]}),
        ({"labels-regex": "^a", "env-regex": "b$"}, {"labelsRegex": "^a", "environmentRegex": "b$"}),
        (
            {"mode": "non-blocking", "max-buffer-size": "4m"},
            {"mode": "non-blocking", "maxBufferSize": 4 << 20},
        ),
    ],
)
def test_dockers_options_are_a_manifests(options: dict[str, str], document: dict[str, Any]) -> None:
    assert parse_log_options(options) == document
    assert parse_log_options(options, "none") == {"driver": "none", **document}
    LogSettings.model_validate(document)


@pytest.mark.parametrize(
    ("options", "driver", "words"),
    [
        ({}, "syslog", "no log driver is named 'syslog': use json-file, local, journald, none"),
        ({"max-sise": "1m"}, "", "max-sise: is no option: known are max-size, max-file"),
        ({"tag": "x"}, "local", "tag: is no option of local"),
        ({"max-size": "1m"}, "journald", "max-size: is no option of journald: known are tag, labels"),
        ({"max-size": "big"}, "", "max-size=big: 'big' is not a size"),
        ({"max-file": "-1"}, "", "max-file=-1: is not a number"),
        ({"compress": "yes"}, "", "compress=yes: is neither true nor false"),
        ({"mode": "fast"}, "", "mode=fast: write blocking or non-blocking"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], driver: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_log_options(options, driver)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"driver": "gelf"}, "'json-file', 'local', 'journald' or 'none'"),
        ({"maxSize": "1k"}, "4096"),
        ({"driver": "local", "tag": "x"}, "tag is nothing that local knows"),
        ({"driver": "journald", "maxFiles": 2}, "maxFiles is nothing that journald knows"),
        ({"tag": "{{.Foo}}"}, "known are {{.ID}}"),
        ({"tag": "{{if .ID}}"}, "known are {{.ID}}"),
        ({"labelsRegex": "("}, "'(' is not a regular expression"),
        ({"maxBufferSize": "1m"}, "mode: non-blocking"),
        ({"compress": True, "maxFiles": 1}, "at least 2"),
    ],
)
def test_wrong_manifests_are_named(document: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        LogSettings.model_validate(document)


def test_podmans_name_is_understood() -> None:
    assert LogSettings.model_validate({"driver": "k8s-file"}).driver is LogDriver.JSON_FILE


def test_each_driver_has_limits_of_its_own() -> None:
    plain = _settle({})
    assert (plain.driver, plain.max_bytes, plain.max_files) == (LogDriver.JSON_FILE, 1 << 24, 3)
    assert (plain.compress, plain.buffer_bytes, plain.is_file) == (False, 0, True)
    local = _settle({"driver": "local"})
    assert (local.max_bytes, local.max_files, local.compress) == (20 << 20, 5, True)
    assert not _settle({"driver": "local", "compress": False}).compress
    assert not _settle({"driver": "local", "maxFiles": 1}).compress
    assert not _settle({"driver": "journald"}).is_file
    assert _settle({"mode": "non-blocking"}).buffer_bytes == 1 << 20


def test_the_daemons_options_are_for_the_daemons_driver() -> None:
    options = LogSettings.model_validate({"maxFiles": 7, "compress": True})
    local = LogDefaults(max_bytes=1 << 24, max_files=3, driver=LogDriver.LOCAL, options=options)
    assert _settle({}, local).max_files == 7
    assert _settle({"maxFiles": 2}, local).max_files == 2
    assert _settle({"driver": "json-file"}, local).max_files == 3
    with pytest.raises(Refused, match="tag is nothing that local knows"):
        _settle({"tag": "x"}, local)


def test_tags_are_filled_in() -> None:
    def fill(tag: str) -> str:
        return render_tag(tag, uid=UID, name="web", image="shop:1")

    assert fill("{{.ID}}") == "0123456789ab"
    assert fill("{{ .Name }}/{{.ImageName}} by {{.DaemonName}}") == "web/shop:1 by hold"
    assert fill("{{.FullID}}") == UID


def test_details_are_what_is_named_or_matches() -> None:
    settings = LogSettings.model_validate({"labels": ["a", "x"], "environmentRegex": "^LANG"})
    labels, environment = {"a": "1", "b": "2"}, {"LANG": "C", "HOME": "/"}
    chosen = choose_details(settings, tag="t", labels=labels, environment=environment)
    assert chosen == {"a": "1", "LANG": "C", "tag": "t"}


def test_settings_of_the_daemon() -> None:
    flags = {"log_driver": "local", "log_options": "{max-size: 50m, max-file: 10, compress: false}"}
    defaults = load_settings(flags, {}).log_defaults
    assert defaults.driver is LogDriver.LOCAL
    settled = _settle({}, defaults)
    assert (settled.max_bytes, settled.max_files, settled.compress) == (50 << 20, 10, False)
    assert Settings().log_defaults == FILES


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"log_driver": "syslog"}, "--log-driver"),
        ({"log_options": "{max-sise: 1m}"}, "--log-options: max-sise: is no option"),
        ({"log_options": "{max-size: big}"}, "--log-options: max-size=big"),
        ({"log_driver": "journald", "log_options": "{max-size: 1m}"}, "logOptions: maxSize is nothing"),
    ],
)
def test_wrong_settings_are_named(flags: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=re.escape(words)):
        load_settings(flags, {})
