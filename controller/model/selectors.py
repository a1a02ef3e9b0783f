"""Label selectors in kubectl's grammar: `app=shop,tier!=db,env in (a, b),!old`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_SET = re.compile(rf"^({_LABEL})\s+(in|notin)\s+\(([^()]*)\)$")
_EQUALITY = re.compile(rf"^({_LABEL})\s*(==|!=|=)\s*([^=!\s]*)$")
_EXISTENCE = re.compile(rf"^(!?)\s*({_LABEL})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One condition. With `values` None the label has to exist; `negated` turns the condition round.

    A negated condition on values also holds when the label is missing, as in Kubernetes.
    """

    label: str
    values: frozenset[str] | None
    negated: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the condition holds."""
        found = self.label in labels and (self.values is None or labels[self.label] in self.values)
        return found is not self.negated


def parse_selector(text: str) -> tuple[Requirement, ...]:
    """Return the conditions, all of which have to hold; none for an empty text. ValueError names the part that is wrong."""
    parts = re.split(r",(?![^()]*\))", text) if text.strip() else []
    return tuple(_parse_requirement(part.strip()) for part in parts)


def _parse_requirement(part: str) -> Requirement:
    if match := _SET.match(part):
        values = frozenset(value.strip() for value in match[3].split(","))
        return Requirement(label=match[1], values=values, negated=match[2] == "notin")
    if match := _EQUALITY.match(part):
        return Requirement(label=match[1], values=frozenset({match[3]}), negated=match[2] == "!=")
    if match := _EXISTENCE.match(part):
        return Requirement(label=match[2], values=None, negated=match[1] == "!")
    raise ValueError(
        f"{part!r} is not a label condition: write app=shop, app!=shop, app in (a,b), app or !app"
    )


def is_selected(labels: Mapping[str, str], selector: tuple[Requirement, ...]) -> bool:
    """Tell whether all conditions hold."""
    return all(requirement.matches(labels) for requirement in selector)
