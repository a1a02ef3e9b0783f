"""Values to YAML as people write it."""

from collections.abc import Mapping
from typing import Any

import yaml


def dump_yaml(fields: Mapping[str, Any]) -> str:
    """Return a block-style document in the order of the mapping; texts that look like something else are quoted."""
    return yaml.dump(
        dict(fields), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and writes no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow=flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002
        return True
