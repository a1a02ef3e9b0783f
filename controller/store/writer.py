"""The one thread that touches the database: it gathers what was asked for meanwhile into one durable transaction.

Every job runs on the state that the jobs before it left, durable or not yet; nothing is visible outside, and no job is
answered, before the transaction is on disk. When the transaction fails, none of its jobs has happened: they get the
error, and the next transaction starts from the last durable state. So a full disk stops writes, not the daemon.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection

from controller.errors import AlreadyExists, Unavailable
from controller.model.changes import Change, Event
from controller.model.ids import Revision
from controller.ports import Clock, Committed
from controller.store.database import Database
from controller.store.ledger import Ledger
from controller.store.limits import StoreLimits
from controller.store.migrate import ensure_current
from controller.store.queries import (
    Counters,
    find_answer,
    list_changes,
    list_events,
    read_counters,
    read_objects,
)
from controller.store.versions import Version
from controller.store.writes import write_ledger

T = TypeVar("T")

_MOST_JOBS = 1000


class Outcome(AbstractContextManager["Outcome", bool]):
    """Keeps what a block raises, for whoever asked for the work; the thread goes on."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True


class Job:
    """Something to do in the thread, and who waits for it."""

    def __init__(self, future: "asyncio.Future[Any]") -> None:
        self._future = future
        self.outcome = Outcome()
        self.value: object = None

    def answer(self) -> None:
        """Tell the asker, on the event loop; one who has gone away is not told."""
        if self._future.done():
            return
        if self.outcome.error is not None:
            self._future.set_exception(self.outcome.error)
        else:
            self._future.set_result(self.value)


class WriteJob(Job):
    """Adds to a ledger."""

    def __init__(self, future: "asyncio.Future[Any]", write: Callable[[Ledger], object]) -> None:
        super().__init__(future)
        self.write = write


class ReadJob(Job):
    """Asks the database."""

    def __init__(self, future: "asyncio.Future[Any]", read: Callable[[Connection], object]) -> None:
        super().__init__(future)
        self.read = read


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What became durable in one turn of the thread, and the jobs that are to be answered."""

    version: Version
    counters: Counters
    changes: Sequence[Change] = ()
    events: Sequence[Event] = ()
    jobs: Sequence[Job] = ()


class Writer:
    """The thread and its queue. `publish` is called on the event loop with every turn, in order."""

    def __init__(self, url: str, clock: Clock, limits: StoreLimits, publish: Callable[[Turn], None]) -> None:
        self._database = Database(url)
        self._clock = clock
        self._limits = limits
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._opened: asyncio.Future[Turn] = self._loop.create_future()
        self._closed = False
        self._version = Version.of({})
        self._counters = Counters(revision=Revision(0), event=0, compacted=Revision(0))

    async def open(self) -> Turn:
        """Open and migrate the database; returns the state in it. Raises what Database.open and ensure_current raise."""
        self._thread.start()
        return await self._opened

    async def close(self) -> None:
        """Do what was asked for so far, then let go of the database."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def write(self, write: Callable[[Ledger], T]) -> T:
        """Run `write` on the newest state; returns what it returns once that is durable."""
        future: asyncio.Future[T] = self._loop.create_future()
        return await self._submit(WriteJob(future, write), future)

    async def read(self, read: Callable[[Connection], T]) -> T:
        """Run `read` in a transaction of its own."""
        future: asyncio.Future[T] = self._loop.create_future()
        return await self._submit(ReadJob(future, read), future)

    async def _submit(self, job: Job, future: "asyncio.Future[T]") -> T:
        if self._closed:
            raise Unavailable("the store is closed")
        self._queue.put(job)
        return await future

    # --- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        opening = Job(self._opened)
        with opening.outcome:
            opening.value = self._open()
        self._loop.call_soon_threadsafe(opening.answer)
        going = opening.outcome.error is None
        while going:
            jobs, going = self._gather()
            self._turn_writes([job for job in jobs if isinstance(job, WriteJob)])
            self._turn_reads([job for job in jobs if isinstance(job, ReadJob)])
        self._database.close()

    def _open(self) -> Turn:
        self._database.open()
        ensure_current(self._database)
        with self._database.transaction() as connection:
            self._counters = read_counters(connection)
            self._version = read_objects(connection)
        return Turn(version=self._version, counters=self._counters)

    def _gather(self) -> tuple[list[Job], bool]:
        """Wait for a job; return all that are there, and whether to go on after them."""
        jobs: list[Job] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) >= _MOST_JOBS or self._queue.empty():
                return jobs, True
            job = self._queue.get()
        return jobs, False

    def _turn_writes(self, jobs: Sequence[WriteJob]) -> None:
        if not jobs:
            return
        outcome = Outcome()
        with outcome:
            self._catch_up()
        if outcome.error is not None:
            for job in jobs:
                job.outcome.error = outcome.error
            self._tell(Turn(version=self._version, counters=self._counters, jobs=jobs))
            return
        ledger = self._begin()
        for job in jobs:
            with job.outcome:
                job.value = job.write(ledger)
        failure = self._write(ledger)
        if isinstance(failure, AlreadyExists) and len(jobs) > 1:
            for job in jobs:  # the others must not suffer for the one that claims what is taken
                job.outcome = Outcome()
                self._turn_writes([job])
            return
        if failure is None:
            self._version = ledger.version
            self._tell(
                Turn(
                    version=self._version,
                    counters=self._counters,
                    changes=ledger.changes,
                    events=ledger.events,
                    jobs=jobs,
                )
            )
            return
        for job in jobs:
            job.outcome.error = job.outcome.error or failure
        self._tell(Turn(version=self._version, counters=self._counters, jobs=jobs))

    def _catch_up(self) -> None:
        """Learn, after a connection was lost, of a transaction that was made and could not be answered."""
        if not self._database.is_in_doubt:
            return
        known = self._counters
        with self._database.transaction() as connection:
            found = read_counters(connection)
            changes = list_changes(connection, known.revision, max(0, found.revision - known.revision))
            events = list_events(connection, known.event, max(0, found.event - known.event))
            version = read_objects(connection)
        self._database.believe()
        self._version, self._counters = version, found
        self._tell(Turn(version=version, counters=found, changes=changes, events=events))

    def _turn_reads(self, jobs: Sequence[ReadJob]) -> None:
        for job in jobs:
            with job.outcome, self._database.transaction() as connection:
                job.value = job.read(connection)
        if jobs:
            self._tell(Turn(version=self._version, counters=self._counters, jobs=jobs))

    def _begin(self) -> Ledger:
        return Ledger(
            version=self._version,
            revision=self._counters.revision,
            event_sequence=self._counters.event,
            now=self._clock.now(),
            find_answer=self._find_answer,
        )

    def _write(self, ledger: Ledger) -> BaseException | None:
        """Make the ledger durable; returns what went wrong, in which case nothing of it is."""
        if ledger.is_empty:
            return None
        outcome = Outcome()
        with outcome:
            with self._database.transaction() as connection:
                counters = write_ledger(connection, ledger, self._counters, self._limits)
            self._counters = counters
        return outcome.error

    def _find_answer(self, request_id: str) -> Committed | None:
        since = (self._clock.now() - self._limits.request_age).isoformat()
        with self._database.transaction() as connection:
            return find_answer(connection, request_id, since)

    def _tell(self, turn: Turn) -> None:
        self._loop.call_soon_threadsafe(self._publish, turn)
