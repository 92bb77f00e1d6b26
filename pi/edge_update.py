#!/usr/bin/env python3
"""edge-update BUNDLE --key KEY: installs a signed bundle beside the version in use, proves it, and switches to it.

Python alone runs this file, without internet and before anything of the bundle is unpacked. In PREFIX it keeps

    versions/VERSION-HASH  environments, each at the place where it was made,
    current, previous      links to two of them; all others are removed,
    unproven               a file that exists from a switch until the new version has answered its samples,
    bin                    for each command, a script that starts the version named by `current`. While `unproven`
                           exists, it first asks this file which version answers,
    release.pub            the key that signed the last bundle.

A version is complete, synced to the disk, and has answered the samples in its model files before it becomes `current`,
and `current` changes by one rename. So a power cut at any moment leaves a version that answers.
"""

from __future__ import annotations  # an older Python, too, must come as far as the sentence that refuses it

import argparse
import base64
import fcntl
import hashlib
import itertools
import json
import os
import platform
import shlex
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

MACHINE = "aarch64"  # pi/bundle writes another, for other processors
PYTHONS = ("3.11", "3.13")
COMMANDS = ("edge-classify", "edge-count", "edge-site", "edge-doctor")
_DOCUMENTS = ("docs", "README.md", "LICENSE", "edge-classify.service", "install.sh", "sbom.cdx.json")
_MARK = "edge-classify.installed"  # only a folder with this file is ever changed
_KEPT = {_MARK, "versions", "current", "previous", "unproven", "bin", "edge-update", "release.pub", "links"}
_OF_THE_MACHINE = {"camera", "clock", "disk", "power"}  # what edge-doctor examines that isn't the installation
_PATIENCE = 600  # seconds that a version may take to answer its samples
_SCRIPT = """#!/bin/sh
# Starts the version that `current` names. Written by edge-update, which says more.
prefix={prefix}
version=$prefix/current
[ ! -e "$prefix/unproven" ] || version=$(python3 -I "$prefix/edge-update" --settle --prefix "$prefix") || exit 2
exec "$version/bin/{name}" "$@"
"""


class Refused(Exception):
    """The user has to do something first: exit code 2."""


class Failed(Exception):
    """The new version isn't used: exit code 1."""


@dataclass(frozen=True)
class Place:
    """Where edge-classify is installed.

    Attributes:
        prefix: the folder that holds the versions.
        links: the folder on the PATH that gets a link for each command.
    """

    prefix: Path
    links: Path

    def version(self, link: str) -> Path | None:
        """The version that the link "current" or "previous" names; None if there is none."""
        found = (self.prefix / link).resolve()
        return found if found.parent == (self.prefix / "versions").resolve() and found.is_dir() else None

    @contextmanager
    def locked(self) -> Iterator[IO[bytes]]:
        """Keeps others away for as long as the file that it gives is open. Raises Refused if another works here."""
        with (self.prefix / _MARK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Refused(f"Another edge-update works in {self.prefix}; wait for its end.") from error
            yield file


def say(sentence: str) -> None:
    """Tells the user."""
    print(sentence, file=sys.stderr, flush=True)


# Changes that a power cut can't tear.


def sync(folder: Path) -> None:
    """Syncs the names in a folder to the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def put(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Writes a file whole."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    new.replace(path)
    sync(path.parent)


def point(link: Path, target: Path | str) -> None:
    """Makes a link, or lets it name another target."""
    new = link.with_name(f"{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)
    sync(link.parent)


def digest(path: Path, method: str) -> bytes:
    """The hash of a file."""
    found = hashlib.new(method)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.digest()


def remove(path: Path) -> None:
    """Removes a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# The signature: minisign's format, and Ed25519 as RFC 8032, section 6 has it. All that is computed with is public.

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)  # of -1
_Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, x y = T/Z


def _add(p: _Point, q: _Point) -> _Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, p: _Point) -> _Point:
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = _add(result, p)
        p = _add(p, p)
        number >>= 1
    return result


def _decoded(content: bytes) -> _Point | None:
    """A point from its 32 bytes; None if they name none."""
    number = int.from_bytes(content, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (not x and sign):
        return None
    x = x if x & 1 == sign else _P - x
    return x, y, 1, x * y % _P


_BASE = _decoded((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature (64 bytes) of a message was made by a public key (32 bytes)."""
    public, point_r, s = _decoded(key), _decoded(signature[:32]), int.from_bytes(signature[32:], "little")
    if public is None or point_r is None or s >= _ORDER or _BASE is None:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % _ORDER
    a, b = _times(s, _BASE), _add(point_r, _times(h, public))
    return (a[0] * b[2] - b[0] * a[2]) % _P == 0 and (a[1] * b[2] - b[1] * a[2]) % _P == 0


def public_key(text: str) -> tuple[bytes, bytes]:
    """The number (8 bytes) and the key (32 bytes) in minisign's public key: a file, or its second line.

    Raises:
        Refused: if it is no such key.
    """
    try:
        line = Path(text).read_text().splitlines()[1] if Path(text).is_file() else text
        content = base64.b64decode(line, validate=True)
    except (OSError, ValueError, IndexError):
        content = b""
    if len(content) != 42 or content[:2] != b"Ed":
        raise Refused(f"{text} is neither a public key of minisign nor a file that holds one.")
    return content[2:10], content[10:]


def require_signature(bundle: Path, key: str) -> None:
    """Refuses a bundle without a signature by this key in BUNDLE.minisig.

    Raises:
        Refused: if the signature is missing, is another key's or doesn't fit the bundle.
    """
    number, public = public_key(key)
    beside = bundle.with_name(f"{bundle.name}.minisig")
    try:
        found = digest(bundle, "blake2b")
        lines = beside.read_bytes().splitlines()
    except OSError as error:
        raise Refused(f"{error.filename} can't be read: {error.strerror}. Nothing was unpacked.") from error
    comment = b"trusted comment: "
    try:
        signature, whole = (base64.b64decode(lines[at], validate=True) for at in (1, 3))
        if len(signature) != 74 or signature[:2] != b"ED" or not lines[2].startswith(comment):
            raise ValueError
    except (ValueError, IndexError) as error:
        raise Refused(f"{beside} is no signature by minisign 0.10 or later. Nothing was unpacked.") from error
    if signature[2:10] != number:
        raise Refused(f"{bundle} was signed by another key. Nothing was unpacked.")
    message = signature[10:] + lines[2].removeprefix(comment)
    if not signed(public, found, signature[10:]) or not signed(public, message, whole):
        raise Refused(f"{beside} doesn't fit {bundle}, which is damaged or forged. Nothing was unpacked.")


# A version.


def checked(bundle: Path) -> str:
    """Is an unpacked bundle whole, and does it fit this machine?

    Returns:
        The name of the version in it.

    Raises:
        Refused: if it isn't, or doesn't.
    """
    try:
        sums = (bundle / "SHA256SUMS").read_bytes()
        for line in sums.decode().splitlines():
            expected, _, name = line.partition("  ")
            if digest(bundle / name, "sha256").hex() != expected:
                raise OSError(f"{name} is damaged")
    except (OSError, ValueError) as error:
        raise Refused(f"The bundle is damaged or incomplete; copy it again ({error}).") from error
    version, bits = "{}.{}".format(*sys.version_info), 8 * struct.calcsize("P")
    if version not in PYTHONS or platform.machine() != MACHINE or bits != 64:
        raise Refused(
            "This bundle is for 64-bit Raspberry Pi OS Bookworm (Python 3.11) and Trixie (3.13); this machine has "
            f"Python {version} {platform.machine()} {bits} bits."
        )
    [wheel] = (bundle / "wheels").glob("edge_classify-*.whl")
    return f"{wheel.name.split('-')[1]}-{hashlib.sha256(sums).hexdigest()[:12]}"


def run(*line: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program, without the variables by which a Python would find other files."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([*map(str, line)], env=clean, text=True, **options)


def build(bundle: Path, version: Path) -> None:
    """Makes the environment of an unpacked bundle. Raises CalledProcessError or OSError if that fails."""
    python = shutil.which("python3") or sys.executable
    # The Pi's own camera needs Debian's picamera2, which an environment finds only if it sees the system's packages.
    look = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('picamera2'))"
    system = [] if run(python, "-c", look).returncode else ["--system-site-packages"]
    run(python, "-m", "venv", "--without-pip", *system, version, check=True)
    wheels = bundle / "wheels"
    [pip], [own] = wheels.glob("pip-*.whl"), wheels.glob("edge_classify-*.whl")
    install = [version / "bin" / "python", pip / "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--no-cache-dir", "--no-index", "--ignore-installed", "--root-user-action=ignore"]
    run(*install, "--find-links", wheels, "-r", bundle / "requirements.txt", check=True)
    run(*install, "--no-deps", own, check=True)
    for name in (*_DOCUMENTS, "edge-update"):
        copy = shutil.copytree if (bundle / name).is_dir() else shutil.copy
        copy(bundle / name, version / name)


def refusal(version: Path) -> str:
    """Why a version doesn't give the answers that its model files expect; "" if it does."""
    try:
        done = run(version / "bin" / "edge-classify", "--verify", capture_output=True, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr.strip() or f"it ended with {done.returncode}") if done.returncode else ""


def prove(version: Path) -> None:
    """Raises Failed unless a version answers its samples, and edge-doctor finds nothing wrong with it."""
    if why := refusal(version):
        raise Failed(f"the new version doesn't answer its samples: {why}")
    doctor = [version / "bin" / "edge-doctor", "--json", "--seconds", "0", "--folder", "/tmp"]
    try:
        findings = json.loads(run(*doctor, capture_output=True, timeout=_PATIENCE).stdout)["findings"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        raise Failed(f"edge-doctor doesn't work: {error}") from error
    bad = [each["sentence"] for each in findings if each["state"] == "bad" and each["name"] not in _OF_THE_MACHINE]
    if bad:
        raise Failed(f"edge-doctor: {' '.join(bad)}")


# What happens to a place.


def switch(place: Place, version: Path) -> None:
    """Uses another version; the one in use becomes the previous one. Raises Failed if the old one is used again."""
    old = place.version("current")
    if old:
        point(place.prefix / "previous", f"versions/{old.name}")
    put(place.prefix / "unproven", b"")
    point(place.prefix / "current", f"versions/{version.name}")
    if settled(place) == version:
        return
    if not place.version("previous"):
        remove(place.prefix / "current")
        remove(place.prefix / "unproven")
    raise Failed("the new version didn't answer its samples after the switch.")


def settled(place: Place, change: bool = True) -> Path | None:
    """Which version answers: the current one, or else the previous one, which then is used again. None: neither.

    change: False if nothing may be changed, as by a user who is not root.
    """
    for link in ("current", "previous"):
        version = place.version(link)
        if version and not refusal(version):
            if link == "previous":
                say(f"The new version doesn't answer; {version.name} is used again.")
                if change:
                    point(place.prefix / "current", f"versions/{version.name}")
            if change:
                (place.prefix / "unproven").unlink(missing_ok=True)
                sync(place.prefix)
            return version
    return None


def tidy(place: Place) -> None:
    """Removes all versions but the current and the previous one."""
    kept = {place.version("current"), place.version("previous")}
    for version in (place.prefix / "versions").glob("*"):
        if version.resolve() not in kept:
            remove(version)


def install(place: Place, bundle: Path, locked: bool = False) -> None:
    """Installs an unpacked bundle.

    Args:
        place: where.
        bundle: the folder.
        locked: whether the process that started this one keeps others away.

    Raises:
        Refused: if it doesn't fit, or if the place is not free.
        Failed: if the new version isn't used.
    """
    must_be_ours(place)
    name = checked(bundle)
    prepare(place)
    with nullcontext() if locked else place.locked():
        if (place.prefix / "unproven").exists():
            settled(place)
        tidy(place)
        names = itertools.chain([name], (f"{name}.{number}" for number in itertools.count(2)))
        version = next(v for v in map((place.prefix / "versions").joinpath, names) if not v.exists())
        try:
            build(bundle, version)
            run("sync", "--file-system", version, check=True)
            prove(version)
            switch(place, version)
        except subprocess.CalledProcessError as error:
            raise Failed(f"{shlex.join(map(str, error.cmd))} ended with {error.returncode}.") from error
        finally:
            if place.version("current") != version:
                remove(version)
                if not (place.prefix / "bin").exists():  # nothing was installed before
                    remove(place.prefix)
        commands(place, version)
        tidy(place)
    size = sum(file.lstat().st_blocks for file in version.rglob("*")) * 512 // 2**20  # as du counts
    say(f"Installed: {place.prefix}, {version.name}, {size} MB; the commands are in {place.links}. Next: edge-doctor")
    if previous := place.version("previous"):
        say(
            f"{previous.name} is kept, and edge-update --back uses it again. If edge-classify runs as a service, start "
            "it again: sudo systemctl restart edge-classify"
        )
    if str(place.links) not in os.environ.get("PATH", "").split(":"):
        say(f"{place.links} is not on your PATH yet: log in again, or type {place.links}/edge-doctor.")


def commands(place: Place, version: Path) -> None:
    """Makes the commands, and removes what an installation by an older install.sh left, which had one version only."""
    (place.prefix / "bin").mkdir(exist_ok=True)
    place.links.mkdir(parents=True, exist_ok=True)
    put(place.prefix / "edge-update", (version / "edge-update").read_bytes(), 0o755)
    for name in COMMANDS:
        script = _SCRIPT.format(prefix=shlex.quote(str(place.prefix)), name=name)
        put(place.prefix / "bin" / name, script.encode(), 0o755)
    point(place.prefix / "bin" / "edge-update", "../edge-update")
    for name in (*COMMANDS, "edge-update"):
        point(place.links / name, place.prefix / "bin" / name)
    for path in place.prefix.iterdir():
        if path.name not in _KEPT and not (path.name in _DOCUMENTS and path.is_symlink()):
            remove(path)
    for path in (place.prefix / "bin").iterdir():
        if path.name not in (*COMMANDS, "edge-update"):
            remove(path)
    for name in _DOCUMENTS:
        point(place.prefix / name, f"current/{name}")


def must_be_ours(place: Place) -> None:
    """Raises Refused if the folder is another program's."""
    if place.prefix.exists() and not (place.prefix / _MARK).exists():
        raise Refused(f"{place.prefix} holds something other than edge-classify; name another folder with --prefix.")


def prepare(place: Place) -> None:
    """Makes the folder."""
    (place.prefix / "versions").mkdir(parents=True, exist_ok=True)
    (place.prefix / _MARK).touch()


def uninstall(place: Place) -> None:
    """Removes all of it. Raises Refused if nothing is installed there."""
    if not place.prefix.exists():
        raise Refused(f"Nothing is installed in {place.prefix}.")
    must_be_ours(place)
    for name in (*COMMANDS, "edge-update"):
        link = place.links / name
        if link.is_symlink() and link.readlink() == place.prefix / "bin" / name:
            link.unlink()
    for path in place.prefix.iterdir():
        if path.name != _MARK:
            remove(path)
    shutil.rmtree(place.prefix)
    say(f"Removed: {place.prefix} and its commands. Your results were not touched.")


def update(place: Place, bundle: Path, key: str | None) -> None:
    """Checks a bundle's signature, unpacks it and lets its own edge-update install it; raises as `install` does."""
    kept = place.prefix / "release.pub"
    key = key or (str(kept) if kept.exists() else None)
    if not key:
        raise Refused(
            "Name the key that signed the bundle: --key KEY. A bundle of your own is installed by install.sh."
        )
    must_be_ours(place)
    content = Path(key).read_bytes() if Path(key).is_file() else f"untrusted comment: of a bundle\n{key}\n".encode()
    require_signature(bundle, key)
    prepare(place)
    with place.locked() as lock:
        folder = place.prefix / "unpacked"
        remove(folder)
        folder.mkdir()
        try:
            run("tar", "--extract", "--file", bundle.resolve(), "--directory", folder, check=True)
            inner = folder / "edge-classify"
            options = ["--install", inner, "--prefix", place.prefix, "--links", place.links, "--locked"]
            # The lock stays for as long as either of the two processes lives.
            code = run(sys.executable, "-I", inner / "edge-update", *options, pass_fds=[lock.fileno()]).returncode
        except subprocess.CalledProcessError as error:
            raise Failed(f"{bundle} can't be unpacked.") from error
        finally:
            remove(folder)
        if code:
            sys.exit(code)
        put(kept, content)


def back(place: Place) -> None:
    """Uses the previous version again. Raises Refused or Failed if that isn't possible."""
    old = place.version("previous")
    if not old or old == place.version("current"):
        raise Refused(f"There is no previous version in {place.prefix}.")
    with place.locked():
        switch(place, old)
    say(f"{old.name} is used again.")


def settle(place: Place) -> None:
    """Prints which version answers, for the scripts in `bin`. It is used from now on, if this user may change that."""
    try:
        with place.locked():
            version = settled(place, os.access(place.prefix, os.W_OK))
    except Refused:  # the other process will see to it
        version = settled(place, change=False)
    if not version:
        raise Refused(f"No version in {place.prefix} answers; install again.")
    print(version)


def where(prefix: Path | None, links: Path | None) -> Place:
    """Where is it installed, or to be installed?"""
    if prefix:
        return Place(prefix.absolute(), (links or prefix / "links").absolute())
    if os.geteuid() == 0:
        return Place(Path("/opt/edge-classify"), Path("/usr/local/bin"))
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return Place(data / "edge-classify", Path.home() / ".local" / "bin")


def options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="edge-update",
        description="Installs a signed bundle beside the version in use, proves it, and switches to it. Offline.",
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="its signature, BUNDLE.minisig, lies beside it")
    parser.add_argument("--key", help="public key of minisign, or a file with it  [default: that of the last bundle]")
    parser.add_argument("--prefix", type=Path, metavar="DIR", help="where it is installed")
    parser.add_argument("--back", action="store_true", help="use the previous version again")
    parser.add_argument("--uninstall", action="store_true", help="remove all versions; results are not touched")
    for name in ("--install", "--links"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    for name in ("--locked", "--settle"):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if sum(map(bool, (asked.bundle and not asked.install, asked.back, asked.uninstall, asked.settle))) > 1:
        parser.error("one thing at a time.")
    return asked


def main() -> None:
    """See the top of this file."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    asked = options()
    place = where(asked.prefix, asked.links)
    try:
        if asked.uninstall:
            uninstall(place)
        elif asked.settle:
            settle(place)
        elif asked.back:
            back(place)
        elif asked.install:
            install(place, asked.install, asked.locked)
        elif asked.bundle:
            update(place, asked.bundle, asked.key)
        else:
            raise Refused("Name a bundle, such as edge-classify-pi.tar.xz; edge-update --help says more.")
    except Refused as error:
        say(str(error))
        sys.exit(2)
    except (Failed, OSError) as error:
        say(f"Not installed: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
