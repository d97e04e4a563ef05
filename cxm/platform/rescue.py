"""Jobs of dead workers go on, and no job stays behind as “running” when nobody runs it.

The job library marks a job as running and leaves it so when its process dies, or when the line to the database is cut just as it ends;
everything behind its lock would wait for ever. Jobs are idempotent, so handing one out a second time is safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from procrastinate import exceptions
from procrastinate.jobs import Status

#: Workers tell that they live this often; after ``DEAD_AFTER`` of silence their jobs are given to others. Seconds.
HEARTBEAT = 3.0
DEAD_AFTER = 15.0
_EVERY = 5.0
_log = structlog.get_logger(__name__)


class Rescue:
    """Watches over the jobs of one worker application."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._running: set[int] = set()
        self._worker: Any = None
        self._suspects: set[int] = set()

    async def note(self, call_next: Callable[[], Awaitable[Any]], context: Any, worker: Any) -> Any:
        """Worker middleware: know which jobs really run here."""
        self._worker = worker
        self._running.add(context.job.id)
        try:
            return await call_next()
        finally:
            self._running.discard(context.job.id)

    async def at_once(self) -> None:
        """Give back every job marked as running: for a process that knows that no other worker lives."""
        for job in await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=0):
            await self._give_back(job)

    async def watch(self) -> None:
        """Look every few seconds, until cancelled; a database that is away is asked again."""
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self._look()
            except Exception as error:
                _log.warning("jobs.cannot_look", error=type(error).__name__)

    async def _look(self) -> None:
        jobs = self._app.job_manager
        dead = await jobs.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER)
        mine = []
        if self._worker is not None and self._worker.worker_id is not None:
            mine = [
                job for job in await jobs.list_jobs_async(status="doing", worker_id=self._worker.worker_id) if job.id not in self._running
            ]
        # One look may fall between the end of a job and the mark that it ended; two looks in a row do not.
        lost = [job for job in mine if job.id in self._suspects]
        self._suspects = {job.id for job in mine}
        for job in [*dead, *lost]:
            await self._give_back(job)

    async def _give_back(self, job: Any) -> None:
        _log.warning("jobs.given_back", job=job.task_name)
        manager = self._app.job_manager
        try:
            await manager.retry_job(job)
        except exceptions.UniqueViolation:  # another of its kind waits already and does the same
            await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)
        except exceptions.ConnectorException as error:  # it ended in this very moment, or the database is away
            _log.info("jobs.not_given_back", job=job.task_name, error=type(error).__name__)
