"""Which networks a list shows: Docker's filters."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure

KNOWN = "name=PATTERN, id=PATTERN, driver=NAME, label=NAME[=VALUE], scope=local, type=custom|builtin, dangling=true|false"
_DEFAULT_NETWORK = "bridge"
_VALUES: Mapping[str, tuple[str, ...]] = {
    "scope": ("local", "global", "swarm"),
    "type": ("custom", "builtin"),
    "dangling": ("true", "1", "false", "0"),
}
_ALL_COUNT = ("label",)
"""Keys of which every filter has to hold; of others one is enough."""

Test = Callable[[resource_pb2.Resource], bool]


def read_filters(texts: Sequence[str], used: Collection[str]) -> Test:
    """Return the test that filters come to; Failure names one that can't be. `used` are networks that containers name."""
    tests: dict[str, list[Test]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        test = _read_test(key, value, used) if equals else None
        if test is None:
            raise Failure(f"--filter {text!r} is not known: write {KNOWN}")
        tests.setdefault(key, []).append(test)

    def passes(network: resource_pb2.Resource) -> bool:
        return all(
            (all if key in _ALL_COUNT else any)(test(network) for test in alternatives)
            for key, alternatives in tests.items()
        )

    return passes


def _read_test(key: str, value: str, used: Collection[str]) -> Test | None:
    """Return the test of one filter; None when there is none such, or no such value."""
    if key in _VALUES and value not in _VALUES[key]:
        return None
    tests: Mapping[str, Test] = {
        "name": lambda network: _matches(value, network.metadata.name),
        "id": lambda network: _matches(value, network.metadata.uid),
        "driver": lambda network: (network.network.driver or "bridge") == value,
        "label": lambda network: _has_label(network, value),
        "scope": lambda _: value == "local",
        "type": lambda network: _is_built_in(network) is (value == "builtin"),
        "dangling": lambda network: _is_dangling(network, used) is (value in ("true", "1")),
    }
    return tests.get(key)


def _has_label(network: resource_pb2.Resource, wish: str) -> bool:
    name, equals, wanted = wish.partition("=")
    labels = network.metadata.labels
    return name in labels and (not equals or labels[name] == wanted)


def _matches(pattern: str, text: str) -> bool:
    """Tell whether a text has a pattern in it; one that is none, such as `*`, has to be there as it is."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return pattern in text


def _is_built_in(network: resource_pb2.Resource) -> bool:
    return network.metadata.name == _DEFAULT_NETWORK


def _is_dangling(network: resource_pb2.Resource, used: Collection[str]) -> bool:
    return network.metadata.name not in used and not _is_built_in(network)
