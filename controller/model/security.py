"""What a container's processes may do beyond, or short of, the defaults: capabilities, security options, sysctls."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from controller.model.base import Model
from controller.model.seccomp import SeccompProfile
from controller.model.units import Text

CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in [
        "AUDIT_CONTROL",
        "AUDIT_READ",
        "AUDIT_WRITE",
        "BLOCK_SUSPEND",
        "BPF",
        "CHECKPOINT_RESTORE",
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "IPC_LOCK",
        "IPC_OWNER",
        "KILL",
        "LEASE",
        "LINUX_IMMUTABLE",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "MKNOD",
        "NET_ADMIN",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_RAW",
        "PERFMON",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYSLOG",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_CHROOT",
        "SYS_MODULE",
        "SYS_NICE",
        "SYS_PACCT",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "WAKE_ALARM",
    ]
)
"""Every capability of Linux (capabilities(7))."""
ALL_CAPABILITIES = "ALL"

_LABEL = re.compile(r"disable|(user|role|type|level):\S+")
_IPC_SYSCTLS = frozenset(
    {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
        "kernel.shmmni", "kernel.shm_rmid_forced",
    }
)  # fmt: skip
_MQUEUE_PREFIX = "fs.mqueue."
_NETWORK_PREFIX = "net."
_SYSCTL = re.compile(r"[a-z0-9_]+([./][a-zA-Z0-9_.*-]+)+")


def parse_capability(text: object) -> object:
    """Return `CAP_NET_ADMIN` for `net_admin`, with or without CAP_; ALL stays. ValueError names the near ones."""
    if not isinstance(text, str):
        return text
    name = text.strip().upper()
    if name == ALL_CAPABILITIES:
        return name
    full = name if name.startswith("CAP_") else f"CAP_{name}"
    if full not in CAPABILITIES:
        raise ValueError(
            f"{text!r} is not a capability: write a name of capabilities(7) such as NET_ADMIN, or ALL"
        )
    return full


def _check_path(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r} is not an absolute path without '..'")
    return text


def _check_label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a label: write user:USER, role:ROLE, type:TYPE, level:LEVEL or disable"
        )
    return text


Capability = Annotated[str, BeforeValidator(parse_capability)]
HiddenPath = Annotated[str, AfterValidator(_check_path)]
Label = Annotated[str, AfterValidator(_check_label)]


class SecurityOptions(Model):
    """How the kernel's security modules confine the processes."""

    no_new_privileges: bool = Field(
        default=False, description="Whether set-uid programs and file capabilities give nothing."
    )
    seccomp: Literal["default", "unconfined"] = Field(
        default="default",
        description="default: hold's filter of system calls, or seccompProfile; unconfined: none.",
    )
    seccomp_profile: SeccompProfile | None = Field(
        default=None, description="Filter of system calls instead of hold's own, in Docker's or OCI's format."
    )
    apparmor: str | None = Field(
        default=None,
        pattern=r"^\S+$",
        description="AppArmor profile that the host has loaded, or unconfined.",
    )
    labels: tuple[Label, ...] = Field(
        default=(), description="SELinux label: user:U, role:R, type:T, level:L, or disable."
    )
    masked_paths: tuple[HiddenPath, ...] | None = Field(
        default=None, max_length=256, description="Paths that can't be read, instead of the default ones."
    )
    readonly_paths: tuple[HiddenPath, ...] | None = Field(
        default=None, max_length=256, description="Paths that can't be written, instead of the default ones."
    )

    @model_validator(mode="after")
    def _one_filter(self) -> Self:
        if self.seccomp == "unconfined" and self.seccomp_profile is not None:
            raise ValueError(
                "seccomp unconfined and seccompProfile contradict each other: remove one of the two"
            )
        return self


def parse_security_options(value: object) -> object:
    """Return the long form of Docker's list (`no-new-privileges`, `seccomp=unconfined`, ...); ValueError tells why not."""
    if not isinstance(value, list | tuple):
        return value
    fields: dict[str, object] = {}
    labels: list[str] = []
    for item in value:
        _add_option(str(item), fields, labels)
    return fields | ({"labels": tuple(labels)} if labels else {})


def _add_option(text: str, fields: dict[str, object], labels: list[str]) -> None:
    key, mark, setting = _split_option(text)
    match key:
        case "no-new-privileges" if setting in ("", "true", "false"):
            fields["noNewPrivileges"] = setting != "false"
        case "seccomp" if setting == "unconfined":
            fields["seccomp"] = setting
        case "seccomp" if setting in ("", "builtin", "default"):
            fields["seccomp"] = "default"
        case "seccomp":
            raise ValueError(f"{text!r}: a manifest can't name a file: write its content as seccompProfile")
        case "apparmor" if setting:
            fields["apparmor"] = setting
        case "label" if setting:
            labels.append(setting)
        case "systempaths" if setting == "unconfined":
            fields |= {"maskedPaths": (), "readonlyPaths": ()}
        case _:
            known = "no-new-privileges, seccomp=, apparmor=, label=, systempaths=unconfined"
            raise ValueError(
                f"{text!r} is not a security option{' of this form' * bool(mark)}: known are {known}"
            )


def _split_option(text: str) -> tuple[str, str, str]:
    """Return key, mark and setting; Docker takes = and, from old times, the colon."""
    mark = "=" if "=" in text else ":"
    key, found, setting = text.partition(mark)
    return key, found, setting


def list_sysctls(value: object) -> object:
    """Accept Compose's list form `[net.core.somaxconn=1024]`."""
    if not isinstance(value, list | tuple):
        return value
    pairs = (str(item).partition("=") for item in value)
    return {name: text for name, _, text in pairs}


def check_sysctls(sysctls: dict[str, str]) -> dict[str, str]:
    """Return the settings, names with dots; ValueError for one that every container of the host would share."""
    for name in sysctls:
        if not _SYSCTL.fullmatch(name):
            raise ValueError(f"{name!r} is not a kernel setting: write a name such as net.core.somaxconn")
        if not (is_network_sysctl(name) or is_ipc_sysctl(name)):
            raise ValueError(
                f"{name} belongs to the whole host, not to one container: only net.*, fs.mqueue.* and kernel.msg*, "
                "kernel.sem, kernel.shm* can be set; set it on the host with sysctl(8)"
            )
    return sysctls


def is_network_sysctl(name: str) -> bool:
    """Tell whether a setting is one of a network namespace."""
    return name.startswith(_NETWORK_PREFIX)


def is_ipc_sysctl(name: str) -> bool:
    """Tell whether a setting is one of an IPC namespace."""
    return name in _IPC_SYSCTLS or name.startswith(_MQUEUE_PREFIX)


CapAdd = Annotated[
    tuple[Capability, ...],
    Field(description="Capabilities beyond the default ones: names with or without CAP_, or ALL."),
]
CapDrop = Annotated[
    tuple[Capability, ...], Field(description="Capabilities to take away from the default ones, or ALL.")
]
SecurityOpt = Annotated[
    SecurityOptions,
    BeforeValidator(parse_security_options),
    Field(
        description="Confinement; Docker's list such as [no-new-privileges, seccomp=unconfined] is accepted."
    ),
]
Sysctls = Annotated[
    dict[str, Text],
    BeforeValidator(list_sysctls),
    AfterValidator(check_sysctls),
    Field(description="Kernel settings of the container's own network and IPC namespaces."),
]
Privileged = Annotated[
    bool,
    Field(
        description="Whether all capabilities and devices of the host are given and no confinement is left."
    ),
]
