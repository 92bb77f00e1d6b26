"""Keeps two runs from writing one file or folder at the same time."""

import os
import stat


def lock(descriptor: int) -> bool:
    """Locks an open file or folder for this run, until it is closed or the process ends, however it ends.

    A pipe or a device is never locked. Nor is anything where the file system knows no locks.

    Returns:
        False if another run has locked it.
    """
    try:
        import fcntl  # not on Windows
    except ImportError:
        return True
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode) and not stat.S_ISDIR(mode):
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
