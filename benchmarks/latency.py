"""How fast is the command, from cold and over many pictures, and how much memory does it take?"""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edge import frames
from edge.errors import UserError
from edge.model import SHIPPED

RUNS = 7


def latency(pictures: Path, count: int = 1000, model: Path = SHIPPED) -> dict:
    """`edge-classify` as a user runs it, on one thread, over the pictures of a folder.

    -> {"machine", "cold": {seconds, megabytes, runs}, "many": {pictures, seconds, per_second, megabytes, runs}}.
    Seconds are medians over whole processes, start included; the rate is what `count` pictures add to one picture,
    None where they add nothing that can be told from noise.
    Raises UserError where the folder holds none.
    """
    files = frames.expand([str(pictures)])
    if not files:
        raise UserError(f"{pictures} holds no pictures.")
    many = [files[i % len(files)] for i in range(count)]
    _run(model, files[:1])  # warm the disk cache; cold means the process
    cold = [_run(model, files[:1]) for _ in range(RUNS)]
    full = [_run(model, many) for _ in range(3)]
    one, all_of_them = statistics.median(s for s, _ in cold), statistics.median(s for s, _ in full)
    return {
        "machine": machine(),
        "cold": {"seconds": one, "megabytes": max(m for _, m in cold), "runs": RUNS},
        "many": {
            "pictures": len(many),
            "seconds": all_of_them,
            "per_second": (len(many) - 1) / (all_of_them - one) if all_of_them > one else None,
            "megabytes": max(m for _, m in full),
            "runs": 3,
        },
    }


def _run(model: Path, files: Sequence[str]) -> tuple[float, float]:
    """One process that reads the list on its standard input -> (seconds, peak megabytes)."""
    command = [sys.executable, "-m", "edge", "-", "--model", str(model), "--json", os.devnull, "--threads", "1"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stderr
        # A list may name a picture twice; the runner wouldn't, so copies get another spelling of the same path.
        process.stdin.write("\n".join(_spellings(files)).encode())
        process.stdin.close()
        message = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"edge-classify failed: {message.strip()}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def _spellings(files: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for file in files:
        seen[file] = seen.get(file, -1) + 1
        path = Path(file).resolve()
        result.append(f"{path.parent}{'/.' * seen[file]}/{path.name}")
    return result


def machine() -> dict:
    """Where a figure was read: processor, cores, Python's version."""
    return {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.lower().startswith(("model name", "model\t")) and not line.split(":")[1].strip().isdigit():
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def table(result: dict) -> str:
    here, cold, many = result["machine"], result["cold"], result["many"]
    rate = f"{many['per_second']:.0f} a second after the start" if many["per_second"] else "too few to tell the rate"
    return "\n".join(
        [
            f"{here['processor']}, {here['cores']} cores, Python {here['python']}; one thread",
            f"one picture, from cold   {cold['seconds']:.2f} s, {cold['megabytes']:.0f} MB (median of {cold['runs']})",
            f"{many['pictures']} pictures            {rate}, {many['megabytes']:.0f} MB (median of {many['runs']})",
        ]
    )
