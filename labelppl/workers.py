"""Tasks that do not depend on each other, in worker processes of this machine or of a Ray cluster.

Every worker computes with one thread, so that a task gives the same bytes wherever it runs. A task whose worker was killed
is begun again; what other tasks have finished is kept.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pickle import PicklingError
from typing import Any, TypeVar

import torch
from loky import ProcessPoolExecutor
from loky.process_executor import TerminatedWorkerError

from .errors import FailedWork, InputError

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

#: How often a task is begun again after its worker was killed.
RETRIES = 3
#: What ``--ray`` takes to start Ray on this machine.
LOCAL = "local"
#: Seconds between two looks of a worker whether the process that started it is still there.
WATCH = 1.0
#: Seconds in which a cluster must answer.
ANSWER_TIME = 5.0


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Workers:
    """Where tasks go: ``jobs`` worker processes here, or the Ray cluster at an address (``local``: started here)."""

    jobs: int
    ray: str | None = None


def run_tasks(
    work: Callable[[_Task], _Result],
    tasks: Sequence[_Task],
    workers: Workers,
    say: Callable[[str], None],
) -> Iterator[tuple[_Task, _Result]]:
    """Each task with what ``work`` returns for it, as they end.

    work: a function; workers import it, or receive it whole where no module holds it.
    Raises what ``work`` raises, and FailedWork where a task's workers are killed again and again.
    """
    if not tasks:
        return
    if workers.ray is None:
        yield from _in_processes(work, tasks, workers.jobs, say)
    else:
        yield from _on_ray(work, tasks, workers.jobs, workers.ray)


def _in_processes(
    work: Callable[[_Task], _Result], tasks: Sequence[_Task], jobs: int, say: Callable[[str], None]
) -> Iterator[tuple[_Task, _Result]]:
    """One pool for each worker: a pool that loses its worker stops, and with it only the task that it was at."""
    waiting = deque((number, 0) for number in range(len(tasks)))
    idle = [_pool() for _ in range(min(jobs, len(tasks)))]
    busy: dict[Future[_Result], tuple[int, int, ProcessPoolExecutor]] = {}
    try:
        while waiting or busy:
            while waiting and idle:
                number, lost = waiting.popleft()
                pool, future = _submit(idle.pop(), work, tasks[number])
                busy[future] = number, lost, pool
            ended, _ = wait(busy, return_when=FIRST_COMPLETED)
            for future in ended:
                number, lost, pool = busy.pop(future)
                try:
                    result = future.result()
                except TerminatedWorkerError:
                    pool.shutdown(wait=False, kill_workers=True)
                    idle.append(_pool())
                    _refuse_more(lost + 1)
                    say("note: a worker was ended from outside; its task is begun again")
                    waiting.appendleft((number, lost + 1))
                except (BrokenProcessPool, PicklingError) as error:
                    raise _unsendable(error) from error
                else:
                    idle.append(pool)
                    yield tasks[number], result
    finally:
        for pool in (*idle, *(pool for *_, pool in busy.values())):
            pool.shutdown(wait=False, kill_workers=True)


def _unsendable(error: Exception) -> InputError:
    """What to say where a worker cannot receive a task or its function."""
    cause = error.__cause__ or error
    last = str(cause).strip('"\n ').rpartition("\n")[2]
    return InputError(
        f"--jobs: a task cannot be sent to a worker ({last}); define what it needs in one file, at its top level, or leave "
        "--jobs out"
    )


def _pool() -> ProcessPoolExecutor:
    # The standard library's pool may hang, or blame a task, where a worker is killed while tasks are handed out.
    return ProcessPoolExecutor(1, initializer=_start_worker, initargs=(os.getpid(),))


def _submit(
    pool: ProcessPoolExecutor, work: Callable[[_Task], _Result], task: _Task
) -> tuple[ProcessPoolExecutor, Future[_Result]]:
    """The pool that took the task, a new one where the worker was killed while it had nothing to do."""
    try:
        return pool, pool.submit(work, task)
    except BrokenProcessPool:
        pool.shutdown(wait=False, kill_workers=True)
        pool = _pool()
        return pool, pool.submit(work, task)


def _refuse_more(lost: int) -> None:
    """Raise FailedWork where a task has lost as many workers as it may."""
    if lost > RETRIES:
        raise FailedWork(
            f"workers of one task were ended from outside {lost} times (out of memory?); use fewer with --jobs, and run "
            "the same command again: what is finished is kept"
        )


def _start_worker(parent: int) -> None:
    """Compute with one thread, and end where the process that gives out the tasks was killed."""
    torch.set_num_threads(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_ray(
    work: Callable[[_Task], _Result], tasks: Sequence[_Task], jobs: int, address: str
) -> Iterator[tuple[_Task, _Result]]:
    with _cluster(address, jobs) as ray:
        # Ray begins a task again only where its worker died, not where the task itself raised something.
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_with_one_thread)
        waiting = {remote.remote(work, task): task for task in tasks}
        while waiting:
            ended, _ = ray.wait(list(waiting))
            for reference in ended:
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except ray.exceptions.RayError as error:
                    first = str(error).strip().partition("\n")[0]
                    raise FailedWork(
                        f"--ray {address}: a worker was lost {RETRIES + 1} times ({first}); run the same command again: "
                        "what is finished is kept"
                    ) from error
                yield waiting.pop(reference), result


def _with_one_thread(work: Callable[[_Task], _Result], task: _Task) -> _Result:
    torch.set_num_threads(1)
    return work(task)


@contextmanager
def _cluster(address: str, jobs: int) -> Iterator[Any]:
    """Ray, connected to ``address`` or started here with ``jobs`` workers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError(
            "--ray: Ray is not installed; run pip install 'labelppl[scale]', or use --jobs on one machine"
        ) from None
    _refuse_silence(address)
    options: dict[str, Any] = (
        {"num_cpus": jobs, "include_dashboard": False} if address == LOCAL else {"address": address}
    )
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, str(error).strip().partition("\n")[0]) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _refuse_silence(address: str) -> None:
    """InputError where nobody answers at ``HOST:PORT``; Ray itself would try for two minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_TIME).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, why: str) -> InputError:
    return InputError(
        f"--ray {address}: no Ray cluster answers ({why}); start one with 'ray start --head', or give --ray {LOCAL}"
    )
