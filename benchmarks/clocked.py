"""`python -I -S clocked.py FD COMMAND...`: runs the command and writes its seconds and peak kilobytes to FD.

A process of its own, and a small one, since Linux counts to a process's peak what the one that started it held.
"""

import os
import sys
import time

if __name__ == "__main__":
    start = time.perf_counter()
    child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(child, 0)
    os.write(int(sys.argv[1]), f"{time.perf_counter() - start} {usage.ru_maxrss}".encode())
    sys.exit(os.waitstatus_to_exitcode(status) and 1)
