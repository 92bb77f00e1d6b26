"""The engine on one machine: processes that each open the model once."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edge.archive.reader import Answered, Reader, Result, Settings, Task
from edge.errors import UserError
from edge.workers.process import Ended, Worker

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_TRIES = 2  # a picture that ended so many processes is the cause


def results(
    settings: Settings, firsts: Mapping[str, bytes], tasks: Iterable[Task], jobs: int
) -> Generator[Result, None, None]:
    """The results of tasks, in the order in which they are ready.

    A process that is killed is replaced, and its pictures are given to others. A picture that ends two processes gets a
    row with an error.

    Args:
        settings: how pictures are answered.
        firsts: see Reader.
        tasks: as many are taken as there are processes.
        jobs: number of processes.
    """
    from multiprocessing.connection import wait

    waiting = iter(tasks)
    again: deque[tuple[Task, int]] = deque()  # tasks whose process ended, with how often it did
    busy: dict[Worker, tuple[Task, int]] = {}
    idle: list[Worker] = []
    try:
        while True:
            while len(busy) < jobs:
                task, tries = again.popleft() if again else (next(waiting, None), 0)
                if task is None:
                    break
                worker = idle.pop() if idle else Worker(partial(_serve, settings, firsts), fork=False)
                busy[worker] = task, tries
                try:
                    worker.send(task)
                except Ended as end:
                    yield from _after(end, *busy.pop(worker), again)
            if not busy:
                return
            watched: list[Any] = list(busy)
            for worker in wait(watched):
                task, tries = busy.pop(worker)
                try:
                    result = worker.receive()
                except Ended as end:
                    worker.stop()
                    yield from _after(end, task, tries, again)
                else:
                    idle.append(worker)
                    yield result
    finally:
        for worker in [*busy, *idle]:
            worker.stop()


def _after(end: Ended, task: Task, tries: int, again: "deque[tuple[Task, int]]") -> Iterator[Result]:
    """What becomes of a task whose process ended: it is given out again, in the end picture by picture."""
    if tries + 1 < _TRIES or task.first:
        if tries + 1 >= 2 * _TRIES:
            raise UserError(
                f"The first look at the site {task.site!r} can't be done: its process {end}. Leave out the picture "
                "that is too large for this machine."
            )
        again.append((task, tries + 1))
    elif len(task.paths) > 1:
        again.extend((replace(task, paths=(path,)), 0) for path in task.paths)
    else:
        error = f"can't be answered: the process that read it {end}."
        rows = [{"source": task.paths[0], "error": error}]
        yield Result(task.site, [Answered(task.paths[0], "", rows)])


def _serve(settings: Settings, firsts: Mapping[str, bytes], pipe: "Connection") -> None:
    """In the process: answers tasks until there are no more."""
    reader = Reader(settings, firsts)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(reader(task))
