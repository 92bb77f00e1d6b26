"""Does a power cut, at whatever moment of an update, leave a version that answers its samples?

`python -m pi.prove_update BUNDLE [--cuts 200] [--seed 0] [--emulated bookworm]`. BUNDLE is what pi/bundle made for this
machine, or for an emulated Raspberry Pi: a file, or a folder that was unpacked already. Its edge-update installs it
into a temporary folder and then, again and again, updates to a later version and back. Each update is ended by kill -9
of all its processes at a random moment: a third of them between begin and end, a third after the new version was built,
a third after the switch began. Then edge-classify must answer its samples. An update that is left alone comes last.

kill -9 can't show what a disk loses that had not been synced.
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import UserError, exits_on_user_error
from edge.system.signature import library
from pi.edge_update import digest
from pi.prove import ROOTS, SYSTEMS, Pi, need_tools, system_root
from pi.prove_deb import CORE

STAGES = ("begun", "built", "switching")  # of an update
_LONGEST = 900  # seconds


class Failed(UserError):
    """An update left no version that answers."""

    exit_code = 1


@dataclass
class Proof:
    """Two bundles, and the place where they are installed in turn.

    Attributes:
        folder: holds both bundles, signed, as 0.tar and 1.tar, and the public key.
        root: of an emulated Pi on which they are installed; None for this machine.
        prefix: where they are installed.
    """

    folder: Path
    root: Path | None = None
    prefix: Path = field(init=False)

    def __post_init__(self) -> None:
        self.prefix = self.folder / "installed"
        self._inside = Pi(self.root, CORE, [self.folder]).inside if self.root else ()

    def update(self, number: int) -> subprocess.Popen[str]:
        """Starts an update to one of the two bundles, in a group of processes of its own."""
        updater = self.prefix / "edge-update"
        python = "python3" if self.root else sys.executable
        line = [*self._inside, python, "-I", updater if updater.exists() else self.folder / "edge-update"]
        line += [self.folder / f"{number}.tar", "--key", self.folder / "key.pub", "--prefix", self.prefix]
        return subprocess.Popen([*map(str, line)], stderr=subprocess.PIPE, text=True, start_new_session=True)

    def reached(self, stage: str, others: set[str]) -> bool:
        """Whether the update that runs has come to one of STAGES. others: the versions that were there before it."""
        if stage == "built":  # its last file is there
            return any(file.parent.name not in others for file in (self.prefix / "versions").glob("*/edge-update"))
        return stage == "begun" or (self.prefix / "unproven").exists()

    def versions(self) -> set[str]:
        """The names of all versions, also of unfinished ones."""
        return {folder.name for folder in (self.prefix / "versions").glob("*")}

    def whole(self, number: int) -> dict[str, float]:
        """An update that is left alone.

        Returns:
            How many seconds it still took from each of STAGES.

        Raises:
            Failed: if it fails.
        """
        others, moments, running = self.versions(), dict[str, float](), self.update(number)
        while running.poll() is None:
            for stage in STAGES:
                if stage not in moments and self.reached(stage, others):
                    moments[stage] = time.monotonic()
            time.sleep(0.01)
        assert running.stderr
        if message := running.stderr.read() if running.returncode else "":
            raise Failed(f"An update that was left alone failed: {message}")
        return {stage: time.monotonic() - moment for stage, moment in moments.items()}

    def current(self) -> str:
        """The name of the version in use."""
        link = self.prefix / "current"
        return link.readlink().name if link.is_symlink() else ""

    def cut(self, number: int, stage: str, seconds: float) -> str:
        """An update that is cut some seconds after it came to one of STAGES.

        Returns:
            Where it was cut: "before" or "after" its switch, in "between", or "ended" if it had ended already.

        Raises:
            Failed: if no version answers then.
        """
        before, others, running = self.current(), self.versions(), self.update(number)
        while running.poll() is None and not self.reached(stage, others):
            time.sleep(0.01)
        try:
            running.wait(seconds)
            where = "ended"
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            where = "before" if self.current() == before else "after"
            where = "between" if (self.prefix / "unproven").exists() else where
        done = subprocess.run(
            [*self._inside, self.prefix / "bin" / "edge-classify", "--verify"],
            capture_output=True, text=True, timeout=_LONGEST,
        )  # fmt: skip
        if done.returncode or not done.stdout:
            raise Failed(f"No version answers: {done.stderr or done.stdout}")
        return where


def prepare(bundle: Path, folder: Path, root: Path | None = None) -> Proof:
    """Makes the two signed bundles of a proof from one.

    root: see Proof.

    Raises:
        UserError: if the library for signatures is missing.
    """
    minisign = library("This")
    pair = minisign.KeyPair.generate()
    (folder / "key.pub").write_bytes(bytes(pair.public_key))
    here = folder / "edge-classify"
    if bundle.is_dir():
        shutil.copytree(bundle, here)
    else:
        subprocess.run(["tar", "-xf", bundle, "-C", folder], check=True)
    for number in (0, 1):
        (here / "README.md").write_text(f"version {number}\n")
        names = [line.partition("  ")[2] for line in (here / "SHA256SUMS").read_text().splitlines()]
        sums = "".join(f"{digest(here / name, 'sha256').hex()}  {name}\n" for name in names)
        (here / "SHA256SUMS").write_text(sums)
        file = folder / f"{number}.tar"
        subprocess.run(["tar", "-cf", file, "-C", folder, here.name], check=True)
        (folder / f"{number}.tar.minisig").write_bytes(bytes(pair.secret_key.sign_file(file, prehash=True)))
    shutil.copy(here / "edge-update", folder)
    shutil.rmtree(here)
    return Proof(folder, root)


def prove(bundle: Path, cuts: int, seed: int, report: Callable[[str], None], root: Path | None = None) -> Counter[str]:
    """Cuts many updates.

    Args:
        bundle: what pi/bundle made for this machine, a file or an unpacked folder.
        cuts: how many updates are cut.
        seed: of the random moments.
        report: gets a line for each step that held.
        root: see Proof.

    Returns:
        How many updates were cut at which place, and how many had ended before they were; see Proof.cut.

    Raises:
        Failed: if an update left no version that answers.
    """
    moments, found = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="update-") as name:
        proof = prepare(bundle, Path(name), root)
        proof.whole(0)
        left = proof.whole(1)
        report(
            f"An update takes {left['begun']:.1f} s here, the last {left['switching']:.1f} s of them from its switch."
        )
        for number in itertools.count():
            done = found.total() - found["ended"]
            if done == cuts:
                break
            stage = STAGES[done % len(STAGES)]
            seconds, in_use = moments.uniform(0, left[stage]), proof.current()
            try:
                found[proof.cut(moments.randrange(2), stage, seconds)] += 1
            except Failed as error:
                moment = f"{seconds:.3f} s after it had {stage}, with {in_use} in use"
                raise Failed(f"Update {number} of seed {seed}, {moment}: {error}") from error
            if number % 20 == 19:
                report(f"  {number + 1} updates, after each of which a version answers: {dict(found)}")
        proof.whole(0)
        names = {path.name for path in proof.prefix.iterdir()}
        if len(proof.versions()) != 2 or names & {"unpacked", "unproven"}:
            raise Failed(f"The last update left {', '.join(names)}, and the versions {', '.join(proof.versions())}.")
    return found


@exits_on_user_error
def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m pi.prove_update", description="Cuts updates by kill -9.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--emulated", choices=SYSTEMS, help="on a Raspberry Pi 4 that is emulated, with this system")
    asked = parser.parse_args()
    if asked.emulated:
        need_tools()
    root = system_root(asked.emulated, ROOTS.resolve()) if asked.emulated else None
    found = prove(asked.bundle, asked.cuts, asked.seed, lambda line: print(line, flush=True), root)
    print(f"{asked.cuts} updates cut by kill -9, seed {asked.seed}: always a version that answers; {dict(found)}")


if __name__ == "__main__":
    main()
