"""Settings of the daemon: the only reader of its configuration file and of HOLD_* variables.

What is said nearer to the person wins: flags, then environment, then the file, then defaults.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from controller.errors import Invalid, NotFound, Refused, Violation
from controller.model.layout import Layout
from controller.model.log_forms import parse_log_options
from controller.model.logs import Driver, LogDriver, LogSettings, list_misfits
from controller.model.names import DEFAULT_INSTANCE
from controller.model.network_settings import NetworkSettings, split_list
from controller.model.registries import RegistrySettings, check_registries
from controller.model.resources import Ulimits
from controller.model.ulimit_forms import parse_ulimits
from controller.model.units import DurationS, Number, SizeBytes
from controller.plan.logs import LogDefaults
from controller.plan.oci.defaults import SHM_BYTES, ContainerDefaults

DEFAULT_CONFIG_PATH = "/etc/hold/daemon.yaml"
_VARIABLE_PREFIX = "HOLD_"
_NOT_SETTINGS = {"HOLD_HOST", "HOLD_CONFIG"}


def _check_absolute(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r} is not an absolute path without '..'")
    return text.rstrip("/") or "/"


def _check_instance(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,14}", text):
        raise ValueError(
            f"{text!r} is not an instance name: use 1 to 15 of a-z 0-9 - and begin with a letter"
        )
    return text


def _check_listen(text: str) -> str:
    if not text.startswith("unix:///"):
        raise ValueError(f"{text!r} is not an address to listen on: write unix:///PATH")
    return text


def _check_database(text: str) -> str:
    if not text.startswith("postgresql://"):
        raise ValueError("is not a database to use: write postgresql://USER:PASSWORD@HOST/NAME")
    return text


def _parse_mapping(value: object) -> object:
    """Accept YAML or JSON as text, from a flag or the environment."""
    if not isinstance(value, str):
        return value
    try:
        return _load_yaml(value) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{value!r} is not YAML: write {{HOST: {{insecure: true}}}}") from error


class _Loader(yaml.SafeLoader):
    """YAML in which 100:20 is a text, as people mean it, and not a number to the base of 60."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.yaml_implicit_resolvers = {
            first: [(tag, re.compile(f"(?!.*:)(?:{each.pattern})", re.VERBOSE)) for tag, each in pairs]
            for first, pairs in self.yaml_implicit_resolvers.items()
        }


def _load_yaml(text: str) -> object:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one


def _parse_braces(value: object) -> object:
    """Accept a mapping as YAML or JSON; other texts have a form of their own."""
    return _parse_mapping(value) if isinstance(value, str) and value.startswith("{") else value


def _check_log_options(options: dict[str, object]) -> dict[str, object]:
    LogSettings.model_validate(parse_log_options(options))
    return options


AbsolutePath = Annotated[str, AfterValidator(_check_absolute)]


class Settings(NetworkSettings):
    """Everything that can be set; names in the file are those of the flags in camelCase."""

    root: AbsolutePath = Field(default="/var/lib/hold", description="Directory of what survives a reboot.")
    run: AbsolutePath = Field(default="/run/hold", description="Directory of sockets and volatile state.")
    listen: Annotated[str, AfterValidator(_check_listen)] | None = Field(
        default=None, description="Address of the API; unix://RUN/hold.sock by default."
    )
    database: Annotated[str, AfterValidator(_check_database)] | None = Field(
        default=None, description="URL of a PostgreSQL database for the state; a file below root by default."
    )
    manifests: AbsolutePath | None = Field(
        default=None, description="Directory of manifests to keep applied."
    )
    instance: Annotated[str, AfterValidator(_check_instance)] = Field(
        default=DEFAULT_INSTANCE, description="Name that tells this daemon's kernel objects from another's."
    )
    runtime: str = Field(
        default="", description="Default OCI runtime: crun, runc or a path; chosen by default."
    )
    resolv_conf: AbsolutePath = Field(
        default="/etc/resolv.conf", description="File that names the resolvers for outside names."
    )
    resync_interval_s: DurationS = Field(
        default=180.0,
        ge=1,
        alias="resyncInterval",
        description="Time between full comparisons with the kernel.",
    )
    log_max_size_bytes: SizeBytes = Field(
        default=16 << 20,
        ge=4096,
        alias="logMaxSize",
        description="Size at which a container's log goes on in a new file.",
    )
    log_max_files: Number = Field(
        default=3,
        ge=1,
        le=1000,
        alias="logMaxFiles",
        description="Files of a container's log that are kept, the present one included.",
    )
    log_driver: Driver = Field(
        default=LogDriver.JSON_FILE,
        description="What takes the output of containers in: json-file, local, journald or none.",
    )
    log_options: Annotated[
        dict[str, object], BeforeValidator(_parse_mapping), AfterValidator(_check_log_options)
    ] = Field(
        default={},
        description="Options of that driver, by Docker's names: max-size, compress, tag, labels and more.",
    )
    default_ulimits: Annotated[Ulimits, BeforeValidator(parse_ulimits), BeforeValidator(_parse_braces)] = (
        Field(
            default={}, description="Ulimits of containers that don't name them: nofile=1024:2048,nproc=100."
        )
    )
    default_shm_size_bytes: SizeBytes = Field(
        default=SHM_BYTES,
        ge=4096,
        alias="defaultShmSize",
        description="Size of /dev/shm of containers that don't say it.",
    )
    init: bool = Field(
        default=False, description="Whether containers that don't say it have an init that reaps orphans."
    )
    layer_max_size_bytes: SizeBytes = Field(
        default=128 << 30,
        ge=1 << 20,
        alias="layerMaxSize",
        description="Most that one layer of an image may unpack to.",
    )
    layer_max_entries: Number = Field(
        default=1_000_000,
        ge=1000,
        alias="layerMaxEntries",
        description="Most files and directories that one layer of an image may have.",
    )
    registries: Annotated[
        dict[str, RegistrySettings], BeforeValidator(_parse_mapping), AfterValidator(check_registries)
    ] = Field(
        default={}, description="What is special about registries or networks of them: mirrors, insecure, ca."
    )
    registry_certificates: Annotated[tuple[AbsolutePath, ...], BeforeValidator(split_list)] = Field(
        default=("/etc/hold/certs.d", "/etc/docker/certs.d"),
        description="Directories with HOST[:PORT]/*.crt of authorities that registries are believed for.",
    )
    registry_logins: AbsolutePath = Field(
        default="/root/.docker/config.json",
        description="Docker configuration file whose logins are used for images that are declared.",
    )
    registry_timeout_s: DurationS = Field(
        default=30.0,
        gt=0,
        alias="registryTimeout",
        description="Longest time without a byte from a registry before it is tried again.",
    )
    registry_least_rate_bytes: SizeBytes = Field(
        default=1024,
        ge=0,
        alias="registryLeastRate",
        description="Bytes a second, over that time, below which a download is broken off and tried again.",
    )
    max_concurrent_downloads: Number = Field(
        default=3, ge=1, le=64, description="Layers that are pulled at the same time."
    )
    max_concurrent_uploads: Number = Field(
        default=5, ge=1, le=64, description="Layers that are pushed at the same time."
    )
    plugins: Annotated[dict[str, AbsolutePath], BeforeValidator(_parse_mapping)] = Field(
        default={}, description="Sockets of plugins that are not RUN/plugins/NAME.sock, by driver."
    )
    plugin_timeout_s: DurationS = Field(
        default=10.0, gt=0, le=120, alias="pluginTimeout", description="Time that a plugin has for an answer."
    )
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = Field(
        default="info", description="Least level of the daemon's own log."
    )

    @model_validator(mode="after")
    def _driver_knows_options(self) -> Self:
        complaints = list_misfits(self.log_defaults.options, self.log_driver)
        if complaints:
            raise ValueError(f"logOptions: {complaints[0]}")
        return self

    @property
    def log_defaults(self) -> LogDefaults:
        """What becomes of the output of containers that do not say it."""
        return LogDefaults(
            driver=self.log_driver,
            max_bytes=self.log_max_size_bytes,
            max_files=self.log_max_files,
            options=LogSettings.model_validate(parse_log_options(self.log_options)),
        )

    @property
    def container_defaults(self) -> ContainerDefaults:
        """What containers get that do not say it."""
        return ContainerDefaults(
            ulimits=self.default_ulimits,
            shm_size_bytes=self.default_shm_size_bytes,
            init=self.init,
            dns=self.dns,
            dns_search=self.dns_search,
            dns_opt=self.dns_opts,
        )

    @property
    def layout(self) -> Layout:
        """The paths that follow from these settings."""
        return Layout(root_path=self.root, run_path=self.run, instance=self.instance)

    @property
    def socket_path(self) -> str:
        """The path of the API's socket."""
        return self.listen.removeprefix("unix://") if self.listen else self.layout.socket_path


@dataclass(frozen=True, slots=True)
class _Source:
    """Values from one place, by attribute name, and how to speak of each."""

    values: Mapping[str, object]
    label: str

    def describe(self, attribute: str) -> str:
        match self.label:
            case "flag":
                return "--" + _alias(attribute, "-")
            case "environment":
                return _VARIABLE_PREFIX + _alias(attribute, "_").upper()
            case path:
                return f"{path}: {Settings.model_fields[attribute].alias}"


def _alias(attribute: str, separator: str) -> str:
    camel = Settings.model_fields[attribute].alias or attribute
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: separator + match[1], camel).lower()


def list_flags() -> tuple[tuple[str, str, str], ...]:
    """Return (flag, attribute, description) for every setting, for the daemon's parser."""
    return tuple(
        ("--" + _alias(name, "-"), name, field.description or "")
        for name, field in sorted(Settings.model_fields.items(), key=lambda each: _is_of_networks(each[0]))
    )


def _is_of_networks(attribute: str) -> bool:
    return attribute in NetworkSettings.model_fields


def load_settings(flags: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Return the settings in force.

    `flags` are texts by attribute name, and `config` for the configuration file. Invalid names the setting, where
    it was set and what is allowed; NotFound tells that a configuration file that was asked for is missing.
    """
    given_path = flags.get("config") or environment.get("HOLD_CONFIG")
    sources = [
        _Source(
            _read_file(given_path or DEFAULT_CONFIG_PATH, required=given_path is not None),
            given_path or DEFAULT_CONFIG_PATH,
        ),
        _Source(_read_environment(environment), "environment"),
        _Source({name: text for name, text in flags.items() if name != "config"}, "flag"),
    ]
    merged: dict[str, object] = {}
    origin: dict[str, _Source] = {}
    for source in sources:
        for name, value in source.values.items():
            merged[name] = value
            origin[name] = source
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise Invalid.of(_list_violations(error, origin)) from error


def _list_violations(error: ValidationError, origin: Mapping[str, _Source]) -> list[Violation]:
    by_alias = {field.alias: name for name, field in Settings.model_fields.items()}
    violations = []
    for detail in error.errors():
        # What is wrong with several together begins with the name of one of them.
        told = detail["msg"].removeprefix("Value error, ")
        first = str(detail["loc"][0]) if detail["loc"] else re.split(r"[ :,]", told, maxsplit=1)[0]
        name = by_alias.get(first, first)
        place = origin[name].describe(name) if name in origin else first
        place = ": ".join([place, *(str(part) for part in detail["loc"][1:])])
        if detail["type"] == "extra_forbidden":
            message = f"{detail['loc'][-1]!r} is no setting there"
        else:
            message = told
        violations.append(Violation(field=place, message=message))
    return violations


def _read_environment(environment: Mapping[str, str]) -> dict[str, object]:
    names = {_VARIABLE_PREFIX + _alias(name, "_").upper(): name for name in Settings.model_fields}
    return {
        names[variable]: text
        for variable, text in environment.items()
        if variable in names and variable not in _NOT_SETTINGS
    }


def _read_file(path: str, *, required: bool) -> dict[str, object]:
    try:
        document = _load_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if required:
            raise NotFound(f"configuration file {path} does not exist") from error
        return {}
    except OSError as error:
        raise Refused(f"configuration file {path} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"configuration file {path} is not YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Invalid(f"configuration file {path} is not a mapping of settings to values")
    by_alias = {field.alias or name: name for name, field in Settings.model_fields.items()}
    unknown = [str(name) for name in document if name not in by_alias]
    if unknown:
        raise Invalid.of([_unknown_setting(path, name, by_alias) for name in unknown])
    return {by_alias[name]: value for name, value in document.items()}


def _unknown_setting(path: str, name: str, known: Mapping[str, str]) -> Violation:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
    return Violation(field=f"{path}: {name}", message=f"unknown setting{hint}")
