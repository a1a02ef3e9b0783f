"""Pages of a list, all at one revision."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from controller.errors import Expired, Invalid, Violation
from controller.model.changes import Snapshot
from controller.model.ids import KINDS, Revision
from controller.model.kinds import Resource
from controller.model.selectors import Requirement, is_selected, parse_selector

DEFAULT_PAGE_SIZE = 500
MOST_PAGE_SIZE = 5000
_KEPT_LISTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of a list; `next_token` is empty on the last."""

    resources: Sequence[Resource]
    next_token: str
    revision: Revision


def read_selector(text: str) -> tuple[Requirement, ...]:
    """Return the parsed selector; Invalid says what is wrong with it."""
    try:
        return parse_selector(text)
    except ValueError as error:
        raise Invalid.of([Violation(field="labelSelector", message=str(error))]) from error


def check_kind(kind: str) -> None:
    """Raise Invalid unless `kind` is empty or the name of a kind."""
    if kind and kind not in KINDS:
        raise Invalid.of(
            [Violation(field="kind", message=f"{kind!r} is not a kind; known are {', '.join(KINDS)}")]
        )


def choose_page_size(asked: int) -> int:
    """Return how many objects a page has: as asked, at most MOST_PAGE_SIZE; 0 leaves it to the server."""
    if asked < 0:
        raise Invalid.of([Violation(field="pageSize", message="can't be negative; 0 lets the server choose")])
    return min(asked, MOST_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def select(snapshot: Snapshot, kind: str, selector: tuple[Requirement, ...]) -> list[Resource]:
    """Return the objects that match, by kind and name, kinds in the order in which they can be made."""
    check_kind(kind)
    order = {name: place for place, name in enumerate(KINDS)}
    keys = sorted(
        (key for key in snapshot if kind in ("", key.kind)), key=lambda key: (order[key.kind], key.name)
    )
    found = (snapshot[key] for key in keys)
    return [resource for resource in found if is_selected(resource.metadata.labels, selector)]


class Lists:
    """Remembers the few latest lists, so that the pages of each are of one revision."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Revision, list[Resource]]] = OrderedDict()
        self._made = 0

    def first(self, resources: list[Resource], revision: Revision, page_size: int) -> Page:
        """Return the first page of a new list."""
        self._made += 1
        token = f"{revision}-{self._made}"
        size = choose_page_size(page_size)
        if len(resources) > size:
            self._kept[token] = (revision, resources)
            while len(self._kept) > _KEPT_LISTS:
                self._kept.popitem(last=False)
        return _cut(resources, revision, token, 0, size)

    def next(self, page_token: str, page_size: int) -> Page:
        """Return the page that a token names; Expired when its list is no longer kept."""
        token, _, start = page_token.rpartition("/")
        if not start.isdigit():
            raise Invalid.of(
                [Violation(field="pageToken", message=f"{page_token!r} is not a page token of hold")]
            )
        if token not in self._kept:
            raise Expired("the list of this page token is no longer kept: list again from the first page")
        revision, resources = self._kept[token]
        return _cut(resources, revision, token, int(start), choose_page_size(page_size))


def _cut(resources: list[Resource], revision: Revision, token: str, start: int, size: int) -> Page:
    end = start + size
    following = f"{token}/{end}" if end < len(resources) else ""
    return Page(resources=resources[start:end], next_token=following, revision=revision)
