"""How much memory this process may use, and how much it holds."""

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")  # where systemd's limits (MemoryMax) stand


def limit(groups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> float:
    """The memory that this process may use, bytes: the least of the machine's, its own limits and those of its service.

    Args:
        groups: the folder of the control groups, version 2.
        membership: the file that names this process's group.

    Returns:
        The limit; infinite where nothing is known, as on Windows.
    """
    limits = []
    try:
        import resource  # not on Windows

        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        soft = [resource.getrlimit(each)[0] for each in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
        limits += [each for each in soft if each != resource.RLIM_INFINITY]
        lines = membership.read_text().splitlines()
        own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
        for group in (groups / own, *(groups / own).parents):
            if (file := group / "memory.max").is_file() and (text := file.read_text().strip()).isdigit():
                limits.append(int(text))
    except (ImportError, OSError, ValueError):
        pass
    return min(limits, default=float("inf"))


def held() -> int:
    """The memory that this process holds, bytes, without what is only a copy of a file; 0 where that isn't known."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not on Windows, not on macOS
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)
