"""Is a crash of native code in a process of its own told from other ends, and do signals reach that process?"""

import os
import signal
import subprocess
import sys
import time

import pytest

from edge.system import apart


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("None", ""),
        ("os.abort()", "crashes what runs it (SIGABRT)"),
        ("os.kill(os.getpid(), 11)", "crashes what runs it (SIGSEGV)"),
        ("1 / 0", "doesn't run"),
        ("time.sleep(60)", "doesn't end within 1 s"),
    ],
)
def test_what_goes_wrong_in_a_copy_of_the_process_is_said(work: str, words: str) -> None:
    script = f"import os, time\nfrom edge.system.apart import tried_out\nprint(tried_out(lambda: {work}, 1))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=apart.environment())
    assert (done.stdout, done.stderr) == (f"{words}\n", "")


def test_a_process_with_threads_is_not_copied() -> None:
    script = (
        "import os, threading, time\nfrom edge.system.apart import tried_out\n"
        "threading.Thread(target=time.sleep, args=[2], daemon=True).start()\nprint(tried_out(os.abort, 1))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=apart.environment())
    assert (done.returncode, done.stdout) == (0, "\n")


def test_input_output_and_exit_code_are_those_of_the_module() -> None:
    script = "import sys\nfrom edge.system import apart\nsys.exit(apart.run('json.tool', '--compact'))"
    done = subprocess.run(
        [sys.executable, "-c", script], input="[1, 2]", capture_output=True, text=True, env=apart.environment()
    )
    assert (done.returncode, done.stdout) == (0, "[1,2]\n")


def test_sigterm_is_passed_on() -> None:
    script = (
        "import sys\nfrom edge.system import apart\n"
        "print(apart.run('timeit', '-n1', '-r1', 'import time; time.sleep(60)'))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=apart.environment()) as process:
        time.sleep(2)
        os.kill(process.pid, signal.SIGTERM)
        assert process.communicate(timeout=30)[0] == f"-{signal.SIGTERM:d}\n".encode()
