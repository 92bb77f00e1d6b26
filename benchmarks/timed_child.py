"""`python -I -S timed_child.py FD CORE COMMAND...`: runs a command; writes its seconds, peak kB and CPU seconds to FD.

FD is the number of an open file descriptor. CORE is the number of the only core that the command may use, or - for all
cores. This script is a small process of its own for a reason: on Linux, the peak memory of a new process includes the
memory of the process that started it.
"""

import os
import sys
import time

if __name__ == "__main__":
    if sys.argv[2] != "-":
        os.sched_setaffinity(0, {int(sys.argv[2])})
    start = time.perf_counter()
    child = os.posix_spawnp(sys.argv[3], sys.argv[3:], os.environ)
    _, status, usage = os.wait4(child, 0)
    spent = time.perf_counter() - start, usage.ru_maxrss, usage.ru_utime + usage.ru_stime
    os.write(int(sys.argv[1]), " ".join(map(str, spent)).encode())
    sys.exit(os.waitstatus_to_exitcode(status) and 1)
