"""The engine on one machine: processes that each open the model once."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from edge.archive.reader import Reader, Result, Settings, Task
from edge.workers.process import Ended, Worker

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def results(
    settings: Settings, firsts: Mapping[str, bytes], tasks: Iterable[Task], jobs: int
) -> Generator[Result, None, None]:
    """The results of tasks, in the order in which they are ready; none of a task whose process ended.

    Args:
        settings: how pictures are answered.
        firsts: see Reader.
        tasks: as many are taken as there are processes.
        jobs: number of processes. One that ends is replaced.
    """
    from multiprocessing.connection import wait

    waiting = iter(tasks)
    busy: list[Worker] = []
    idle: list[Worker] = []
    try:
        while True:
            while len(busy) < jobs and (task := next(waiting, None)):
                worker = idle.pop() if idle else Worker(partial(_serve, settings, firsts), fork=False)
                busy.append(worker)
                with suppress(Ended):  # which `receive` finds, too
                    worker.send(task)
            if not busy:
                return
            watched: list[Any] = list(busy)
            for ready in wait(watched):
                worker = cast("Worker", ready)
                busy.remove(worker)
                try:
                    result: Result = worker.receive()
                except Ended:
                    worker.stop()
                else:
                    idle.append(worker)
                    yield result
    finally:
        for worker in (*busy, *idle):
            worker.stop()


def _serve(settings: Settings, firsts: Mapping[str, bytes], pipe: "Connection") -> None:
    """In the process: answers tasks until there are no more."""
    reader = Reader(settings, firsts)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(reader(task))
