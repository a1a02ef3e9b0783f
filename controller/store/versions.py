"""A map of objects of which every version stays readable while newer ones are made.

Objects lie in a fixed number of buckets. A new version copies only the buckets that it changes, so that a write costs
about a hundredth of copying the whole map, and readers in any thread hold a version without a lock.
"""

from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from itertools import chain
from typing import Any, TypeVar
from zlib import crc32

from controller.model.ids import Key
from controller.model.kinds import Resource

_BUCKETS = 256

T = TypeVar("T")


def _index(key: Key) -> int:
    """Return the key's bucket; not hash(), so that the order of iteration is the same in every process."""
    return crc32(key.name.encode()) % _BUCKETS


class Version(Mapping[Key, Resource]):
    """One immutable version of the map."""

    __slots__ = ("_buckets", "_derived", "_length")

    def __init__(
        self,
        buckets: tuple[dict[Key, Resource], ...],
        length: int,
        derived: tuple[dict[Callable[..., Any], Any], ...],
    ) -> None:
        self._buckets = buckets
        self._length = length
        self._derived = derived
        """What was derived of each bucket, which goes with it from version to version."""

    @classmethod
    def of(cls, resources: Mapping[Key, Resource]) -> "Version":
        """Return a version with the given objects."""
        return cls(({},) * _BUCKETS, 0, tuple({} for _ in range(_BUCKETS))).replace(resources)

    def __getitem__(self, key: Key) -> Resource:
        return self._buckets[_index(key)][key]

    def __iter__(self) -> Iterator[Key]:
        for bucket in self._buckets:
            yield from bucket

    def __len__(self) -> int:
        return self._length

    def values(self) -> ValuesView[Resource]:
        return _Values(self)

    def items(self) -> ItemsView[Key, Resource]:
        return _Items(self)

    def gather(self, derive: Callable[[Mapping[Key, Resource]], T]) -> list[T]:
        """See Parted. Threads that derive the same at the same time come to the same."""
        found: list[T] = []
        for bucket, derived in zip(self._buckets, self._derived, strict=True):
            if derive not in derived:
                derived[derive] = derive(bucket)
            found.append(derived[derive])
        return found

    def iterate_values(self) -> Iterator[Resource]:
        """Go through the objects without a search for each, in the order of the keys."""
        return chain.from_iterable(map(dict.values, self._buckets))

    def iterate_items(self) -> Iterator[tuple[Key, Resource]]:
        """Go through keys with objects likewise."""
        return chain.from_iterable(map(dict.items, self._buckets))

    def replace(self, changes: Mapping[Key, Resource | None]) -> "Version":
        """Return a version with `changes` made; None removes an object."""
        buckets = list(self._buckets)
        derived = list(self._derived)
        fresh: dict[int, dict[Key, Resource]] = {}
        length = self._length
        for key, resource in changes.items():
            index = _index(key)
            if index not in fresh:
                fresh[index] = buckets[index] = dict(buckets[index])
                derived[index] = {}
            bucket = fresh[index]
            length -= key in bucket
            if resource is None:
                bucket.pop(key, None)
            else:
                bucket[key] = resource
                length += 1
        return Version(tuple(buckets), length, tuple(derived))


class _Values(ValuesView[Resource]):
    _mapping: Version

    def __iter__(self) -> Iterator[Resource]:
        return self._mapping.iterate_values()


class _Items(ItemsView[Key, Resource]):
    _mapping: Version

    def __iter__(self) -> Iterator[tuple[Key, Resource]]:
        return self._mapping.iterate_items()
