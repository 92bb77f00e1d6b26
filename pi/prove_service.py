"""Does the service start with the machine, and again after a crash and an upgrade, under a real systemd?

`python -m pi.prove_service dist/edge-classify_VERSION_amd64.deb [FOLDER]`, or `make service-proof`. It needs root, and
`apt-get install mmdebstrap`. FOLDER keeps the systems for later runs. Each is a Debian for this machine's own
processor, in which systemd is process 1 (see `boot`):

1. Apt installs the package and checks its dependencies.
2. The service is switched on. It counts a simulated camera's cells, as a user of its own.
3. It is killed. Systemd starts it again, and it adds to the same table.
4. The machine is switched off and on. It counts again.
5. Apt upgrades to a later version. It runs again.
6. Apt removes the package. The service is gone, and the table is left.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.errors import exits_on_user_error
from pi.prove import HERE, ROOTS, SYSTEMS, Absent, Failed
from pi.prove_deb import later

UNIT = "edge-classify.service"
TABLE = "/var/lib/edge-classify/cells.csv"
_APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends"
_PATIENCE = 120.0  # seconds in which each thing has to happen
# As docs/raspberry-pi.md says it: an edited command, here with the simulated camera.
_CAMERA = f"""mkdir -p /etc/systemd/system/{UNIT}.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/edge-classify --camera sim --csv cells.csv\\n' \
  > /etc/systemd/system/{UNIT}.d/camera.conf
systemctl daemon-reload
systemctl enable --now --quiet {UNIT}"""


class Machine:
    """A Debian system with systemd, which runs until it is switched off."""

    def __init__(self, root: Path) -> None:
        """root: the folder that is its file system."""
        self._boot = subprocess.Popen([HERE / "boot", root], stdin=subprocess.DEVNULL)

    def is_up(self) -> bool:
        """Whether systemd has started everything, without a failure."""
        return self.run("systemctl is-system-running || :").strip() == "running"

    def run(self, script: str) -> str:
        """Runs a shell script inside; returns what it prints. Raises Failed where it ends with another code than 0."""
        first = f"/proc/{self._boot.pid}/task/{self._boot.pid}/children"  # process 1, as the host sees it
        inside = Path(first).read_text().split() if Path(first).exists() else []
        if not inside:
            raise Failed("The machine isn't running; pi/boot says why.")
        done = subprocess.run(
            ["nsenter", "--target", inside[0], "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd",
             "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "sh", "-ec", script],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"{script!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def state(self, name: str) -> str:
        """What systemd says of the service, such as its MainPID."""
        return self.run(f"systemctl show --property {name} --value {UNIT}").strip()

    def rows(self) -> int:
        """How many lines the service's table has."""
        return int(self.run(f"cat {TABLE} | wc -l"))

    def off(self) -> None:
        """Switches it off."""
        with suppress(Failed):  # where it isn't up
            self.run("systemctl poweroff")
        try:
            self._boot.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._boot.kill()
            raise Failed("The machine can't be switched off.") from None


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """A machine that is up, switched off at the end."""
    machine = Machine(root)
    try:
        until(machine.is_up, "systemd is up")
        yield machine
    finally:
        machine.off()


def until(holds: Callable[[], bool], what: str) -> None:
    """Waits until something holds. what: its words. Raises Failed where it doesn't within _PATIENCE."""
    end = time.monotonic() + _PATIENCE
    while True:
        with suppress(Failed):
            if holds():
                return
        if time.monotonic() > end:
            raise Failed(f"After {_PATIENCE:g} s it doesn't hold that {what}.")
        time.sleep(0.5)


def need_systemd_root(system: str, roots: Path) -> Path:
    """The root folder of a Debian system for this machine's processor, with systemd. Raises Absent."""
    missing = [tool for tool in ("mmdebstrap", "nsenter", "unshare", "findmnt") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        raise Absent(f"A system can't be booted here without {', '.join([*missing, 'root'])}.")
    root = roots / f"{system}-systemd"
    if not root.exists():
        roots.mkdir(parents=True, exist_ok=True)
        where = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
        mirrors = subprocess.run(where, capture_output=True, text=True, check=True).stdout.split()
        mirror = next(each for each in mirrors if "security" not in each)
        packages = "systemd-sysv,dbus,python3,libstdc++6"
        line = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", system, f"{root}.new", mirror]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(f"{root}.new", ignore_errors=True)
            raise Absent(f"No root of {system} can be made on this machine: {done.stderr.strip()}")
        Path(f"{root}.new").rename(root)
    return root


def prove(package: Path, systems: Sequence[str], roots: Path, report: Callable[[str], None]) -> None:
    """Runs the service through its life in each system.

    Args:
        package: what `make deb` made for this machine's processor.
        systems: of pi.prove.SYSTEMS.
        roots: folder in which the systems are kept for later runs.
        report: gets a line for each step that held.

    Raises:
        Absent: where no system can be booted on this machine.
        Failed: where something is wrong.
    """
    with tempfile.TemporaryDirectory() as name:
        newer = later(package, Path(name))
        for system in systems:
            root = need_systemd_root(system, roots.resolve())
            shutil.copy(package, root / "root" / "first.deb")
            shutil.copy(newer, root / "root" / "later.deb")
            _prove(system, root, report)


def _prove(system: str, root: Path, report: Callable[[str], None]) -> None:
    with booted(root) as machine:
        # What an earlier proof left.
        machine.run(f"{_APT} purge edge-classify || :; rm -rf /etc/systemd/system/{UNIT}.d /var/lib/*/edge-classify")
        machine.run(f"{_APT} install /root/first.deb")
        if machine.state("UnitFileState") != "disabled" or machine.state("ActiveState") != "inactive":
            raise Failed(f"{system}: the service is switched on by the installation alone.")
        report(f"{system}, {machine.run('systemctl --version').split()[1]}: installed by apt; the service is off")
        machine.run(_CAMERA)
        until(lambda: machine.rows() > 3, "the service counts")
        process = machine.state("MainPID")
        user = machine.run(f"stat --format %u /proc/{process}").strip()
        if user == "0":
            raise Failed(f"{system}: the service runs as root.")
        report(f"  switched on: it counts, as user {user}")
        lines = machine.rows()
        machine.run(f"systemctl kill --signal KILL {UNIT}")
        until(lambda: machine.state("NRestarts") == "1" and machine.rows() > lines, "it counts again after a kill")
        report("  killed: started again, and added to its table")
    with booted(root) as machine:
        lines = machine.rows()
        until(lambda: machine.rows() > lines, "it counts after the machine's start")
        report("  the machine switched off and on: it counts again")
        process = machine.state("MainPID")
        machine.run(f"{_APT} install /root/later.deb")
        lines = machine.rows()
        until(lambda: machine.state("MainPID") not in ("0", process) and machine.rows() > lines, "it counts anew")
        report("  upgraded: it was started again, and counts")
        machine.run(f"{_APT} purge edge-classify")
        if machine.run(f"systemctl is-active {UNIT} || :").strip() == "active" or not machine.rows():
            raise Failed(f"{system}: after the removal, the service still runs, or its table is gone.")
        report("  removed: the service is gone, its table is left")


if __name__ == "__main__":
    place = Path(sys.argv[2]) if sys.argv[2:] else ROOTS
    exits_on_user_error(prove)(Path(sys.argv[1]), SYSTEMS, place, print)
