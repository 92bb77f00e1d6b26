"""The engine on many machines: Ray Data, whose actors each open the model once.

Only paths travel to the actors, and only rows come back. What a killed actor or a lost machine had in hand, Ray gives
to others.
"""

import logging
import os
import pickle
import shutil
import socket
import tempfile
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import edge
from edge.archive.reader import Reader, Result, Settings, Task
from edge.errors import UserError, reason
from edge.system.quiet import quiet

LOCAL = "local"
# Cores that an actor asks for. There is one actor for each core; as it asks for half of one, a machine has room for the
# actors of another one that is lost.
_CORES = 0.5
_TRIES = 1  # how often Ray gives a task to another actor after one has ended
_PATIENCE = 10.0  # seconds for the head of a cluster to answer
_STORE = 200_000_000  # bytes of Ray's own store on a local cluster: only paths and rows are in it


@contextmanager
def connected(address: str, jobs: int) -> Iterator[Any]:
    """Ray, connected to a cluster.

    Args:
        address: of the cluster's head, "auto" for the one of this machine, or LOCAL to start one.
        jobs: number of actors on a cluster that is started.

    Raises:
        UserError: if the cluster can't be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of an archive is told to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # none of Ray's threads starts a cluster after this one is left
    import ray
    import ray.data

    paths = [str(Path(edge.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    options: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        # So that a cluster on this machine imports this program.
        "runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, paths))}},
    }
    folder = ""
    if address == LOCAL:
        folder = tempfile.mkdtemp(prefix="edge-archive-ray-")
        options |= {"num_cpus": jobs, "object_store_memory": _STORE, "include_dashboard": False, "_temp_dir": folder}
        options["_node_ip_address"] = "127.0.0.1"  # a machine without a network has no other one
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit() and "/" not in host:
            socket.create_connection((host, int(port)), _PATIENCE).close()  # Ray would wait for minutes
        with quiet():  # it says from C++ that it says nothing
            ray.init(**options)
    except Exception as error:  # of a dozen types, by what isn't there
        raise UserError(f"The cluster of Ray {address!r} can't be reached: {reason(error)}.") from error
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")  # which max_task_retries is one of
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # what fails has no result
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it says the same with a traceback
    try:
        yield ray
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def results(
    settings: Settings, firsts: Mapping[str, bytes], tasks: Sequence[Task], ray: Any
) -> Generator[Result, None, None]:
    """The results of tasks, in the order in which they are ready; none of a task that ends its actors.

    Args:
        settings: how pictures are answered. Each machine must reach the model and the pictures under the same paths.
        firsts: see Reader.
        tasks: what is to be done.
        ray: from `connected`.

    Raises:
        UserError: if the cluster ended.
    """
    try:
        actors = max(1, min(len(tasks), int(ray.cluster_resources().get("CPU", 1))))
        items = [{"task": pickle.dumps(task)} for task in tasks]
        answered = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Actor,
            fn_constructor_args=(settings, dict(firsts)),
            batch_size=1,
            num_cpus=_CORES,
            compute=ray.data.ActorPoolStrategy(size=actors),
            max_task_retries=_TRIES,
        )
        for row in answered.iter_rows():
            yield pickle.loads(row["result"])
    except ray.exceptions.RayError as error:
        raise UserError(
            f"The cluster of Ray ended or failed: {reason(error)}. The same command goes on where it was."
        ) from error


class _Actor:
    def __init__(self, settings: Settings, firsts: Mapping[str, bytes]) -> None:
        self._reader = Reader(settings, firsts)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"result": [pickle.dumps(self._reader(pickle.loads(task))) for task in batch["task"]]}
