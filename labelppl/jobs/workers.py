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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from loky import ProcessPoolExecutor

from ..errors import FailedWork, InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

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


def run_tasks(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    jobs: int,
    ray: str | None = None,
    say: Callable[[str], None],
) -> Iterator[tuple[Task, Result]]:
    """Each task with what ``work`` returns for it, as they end.

    work: a function that other processes can import. jobs: worker processes. ray: the address of a cluster, or ``local``.
    Raises what ``work`` raises, and FailedWork where workers are killed again and again.
    """
    if not tasks:
        return
    if ray is None:
        yield from _in_processes(work, tasks, jobs, say)
    else:
        yield from _on_ray(work, tasks, jobs, ray)


def _in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, say: Callable[[str], None]
) -> Iterator[tuple[Task, Result]]:
    waiting = list(tasks)
    for _ in range(RETRIES + 1):
        try:
            for task, result in _in_pool(work, waiting, min(jobs, len(waiting))):
                waiting = [other for other in waiting if other is not task]
                yield task, result
        except BrokenProcessPool:
            say(f"note: a worker was ended from outside; {len(waiting)} tasks are begun again")
        else:
            return
    raise FailedWork(
        f"workers were ended from outside {RETRIES + 1} times (out of memory?); use fewer with --jobs, and run the same "
        "command again: what is finished is kept"
    )


def _in_pool(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[Task, Result]]:
    # The standard library's pool may hang, or blame a task, where a worker is killed while tasks are handed out.
    pool = ProcessPoolExecutor(jobs, initializer=_start_worker, initargs=(os.getpid(),))
    try:
        futures: dict[Future[Result], Task] = {pool.submit(work, task): task for task in tasks}
        while futures:
            ended, _ = wait(futures, return_when=FIRST_COMPLETED)
            for future in ended:
                yield futures.pop(future), future.result()
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _start_worker(parent: int) -> None:
    """Compute with one thread, and end where the process that gives out the tasks was killed."""
    torch.set_num_threads(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_ray(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, address: str
) -> Iterator[tuple[Task, Result]]:
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


def _with_one_thread(work: Callable[[Task], Result], task: Task) -> Result:
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
