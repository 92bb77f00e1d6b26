"""Is the Debian package installed, upgraded and removed as it should be, on emulated Raspberry Pis?

`python -m pi.prove_deb dist/edge-classify_VERSION_arm64.deb [FOLDER]`, or `make deb-proof`. FOLDER keeps the systems
for later runs. For each system, in an arm64 root:

1. dpkg installs the package, which runs edge-doctor,
2. drawn pictures and a simulated camera are answered, and compared with this machine's answers,
3. dpkg upgrades to a later version, which has a file more and one less,
4. dpkg removes it: nothing may be left but the user's data.

The roots hold dpkg, but not its list of what Debian installed. So dependencies aren't checked.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.errors import exits_on_user_error
from edge.simulator import demo
from pi.prove import (
    ROOTS,
    SYSTEMS,
    Failed,
    Pi,
    Task,
    answer_here,
    compare,
    hand_out,
    need_tools,
    run_doctor,
    script,
    system_root,
)

CORE = "cortex-a72"
DPKG = "dpkg --force-depends --force-bad-path"
DATA = "var/lib/edge-classify/cells.csv"  # where the service writes
DOCS = "usr/share/doc/edge-classify"


def files(root: Path) -> set[str]:
    """The files and folders of a system, without dpkg's own notes and what Python compiled of its own library."""
    tops = ("usr", "etc", "var", "opt")
    found = {path.relative_to(root).as_posix() for top in tops for path in (root / top).rglob("*")}
    others = ("var/lib/dpkg", "var/log")
    return {
        name for name in found if not name.startswith(others) and not re.match("usr/lib/python3.*__pycache__", name)
    }


def later(package: Path, folder: Path) -> Path:
    """The package as a later version, with a file more and one less."""
    tree, file = folder / "tree", folder / "later.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    lines = [f"{line}.1" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    (tree / DOCS / "README.md").rename(tree / DOCS / "NEW.md")
    line = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(file)]
    subprocess.run(line, check=True, capture_output=True)
    return file


def prove(package: Path, systems: Sequence[str], roots: Path, report: Callable[[str], None]) -> None:
    """Installs, upgrades and removes a package on emulated Pis.

    Args:
        package: what `make deb` made for arm64.
        systems: of pi.prove.SYSTEMS.
        roots: folder in which the emulated systems are kept for later runs.
        report: gets a line for each step that held.

    Raises:
        Absent: where no Pi can be emulated on this machine.
        Failed: where something is wrong.
    """
    need_tools()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo.draw(folder / "demo")
        task = Task(folder / "demo", sorted(file.name for file in (folder / "demo").glob("*.png")), 6.0)
        ours = folder / "here"
        hand_out(task, ours)
        answer_here(task, ours)
        newer = later(package, folder)
        for system in systems:
            began, root = time.monotonic(), system_root(system, roots.resolve(), "dpkg")
            pi, theirs = Pi(root, CORE, [folder, package.resolve().parent]), folder / system
            hand_out(task, theirs)
            pi.run(f"{DPKG} --purge edge-classify || :")  # what an interrupted proof left
            shutil.rmtree((root / DATA).parent, ignore_errors=True)
            before = files(root)
            pi.run(f"{DPKG} --install {package.resolve()}")
            report(f"{system}: installed; edge-doctor: {run_doctor(pi)}")
            pi.run(script(task, str(theirs)))
            report(f"  {compare(theirs, ours)}")
            (root / DATA).parent.mkdir()
            (root / DATA).write_text("the user's")
            pi.run(f"{DPKG} --install {newer} && edge-classify --verify && dpkg --verify edge-classify")
            if not (root / DOCS / "NEW.md").exists() or (root / DOCS / "README.md").exists():
                raise Failed(f"{system}: after the upgrade, the files are not those of the later version.")
            report("  upgraded")
            pi.run(f"{DPKG} --purge edge-classify")
            left = files(root) - before
            if left != {DATA, str(Path(DATA).parent)}:
                raise Failed(f"{system}: after the removal, these files are left: {', '.join(sorted(left))}")
            report(f"  removed, without a trace but the user's data; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    place = Path(sys.argv[2]) if sys.argv[2:] else ROOTS
    exits_on_user_error(prove)(Path(sys.argv[1]), SYSTEMS, place, print)
