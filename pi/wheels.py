"""`python pi/wheels.py DIR MACHINE` downloads wheels of requirements/edge.txt for Debian and Raspberry Pi OS (64-bit).

pi/bundle runs it, on any machine. MACHINE is aarch64 or x86_64. It also writes DIR/requirements.txt, the list that pip
installs on the Pi. `python pi/wheels.py --into LIB DIR MACHINE`, which pi/deb runs, unpacks the wheels of a bundle DIR.
"""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pip._vendor.packaging.markers import Marker

# Bookworm and Trixie: the version of their Python, and the minor version of their glibc (2.36 and 2.41).
SYSTEMS = {"3.11": 36, "3.13": 41}
LOCK = Path(__file__).parent.parent / "requirements" / "edge.txt"


@dataclass(frozen=True)
class Requirement:
    """One package of the lock file.

    Attributes:
        pinned: "NAME==VERSION".
        marker: pip's condition for the systems that need it; "" for all systems.
        hashes: its hashes, as options --hash for pip.
    """

    pinned: str
    marker: str
    hashes: str


def requirements() -> list[Requirement]:
    """The packages of the lock file."""
    found = []
    for block in LOCK.read_text().replace("\\\n", " ").splitlines():
        if not block.startswith("#"):
            pinned, _, hashes = block.partition(" --hash")
            name, _, marker = pinned.partition(" ; ")
            found.append(Requirement(name.strip(), marker.strip(), f"--hash{hashes}"))
    return found


def needed(requirement: Requirement, python: str, machine: str) -> bool:
    """Whether such a machine with that version of Python needs a package. pip would check this machine instead."""
    pi = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return not requirement.marker or Marker(requirement.marker).evaluate(
        pi | {"platform_machine": machine, "platform_system": "Linux"}
    )


def pip(command: str, *arguments: object) -> None:
    """Runs pip. Raises CalledProcessError where it fails."""
    quiet = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check"]
    subprocess.run([*quiet, *map(str, arguments)], check=True)


def target(python: str, machine: str) -> list[str]:
    """The options by which pip works for such a machine with that version of Python."""
    names = [
        f"manylinux2014_{machine}",
        *(f"manylinux_2_{minor}_{machine}" for minor in range(17, SYSTEMS[python] + 1)),
    ]
    platforms = [word for name in names for word in ("--platform", name)]
    abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
    return ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python, *abis, *platforms]


def download(folder: Path, machine: str) -> None:
    """Downloads the wheels for all SYSTEMS, and pip itself, which a Pi may lack."""
    folder.mkdir(parents=True, exist_ok=True)
    for python in SYSTEMS:
        wanted = folder / "wanted.txt"
        lines = [f"{each.pinned} {each.hashes}" for each in requirements() if needed(each, python, machine)]
        wanted.write_text("\n".join(lines))
        pip("download", "--dest", folder, "--require-hashes", "-r", wanted, *target(python, machine))
        wanted.unlink()
    pip("download", "--dest", folder, "--no-deps", "--only-binary=:all:", "pip")


def unpack(wheel: Path) -> None:
    """Rewrites a wheel without compression. The bundle as a whole is compressed, which then saves more."""
    plain = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(plain, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            entry.compress_type = zipfile.ZIP_STORED
            new.writestr(entry, content)
    plain.replace(wheel)


def install(bundle: Path, library: Path, machine: str) -> None:
    """Unpacks the wheels of a bundle: into LIBRARY/common what fits every Python, the rest into a folder for each.

    Raises:
        ValueError: if two wheels that fit every Python are of the same package.
    """
    wheels = {wheel: wheel.stem.split("-") for wheel in sorted((bundle / "wheels").glob("*.whl"))}
    common = {wheel: parts[0] for wheel, parts in wheels.items() if parts[-2] in ("none", "abi3") and parts[0] != "pip"}
    if len(set(common.values())) < len(common):
        raise ValueError(f"several versions of one package: {', '.join(common.values())}")
    for python in SYSTEMS:
        place = library / f"python{python}" / "site-packages"
        own = [wheel for wheel, parts in wheels.items() if parts[-2] == f"cp{python.replace('.', '')}"]
        _unpack(own, place, python, machine)
        (place / "edge-classify.pth").write_text("../../common\n")
    _unpack(list(common), library / "common", min(SYSTEMS), machine)


def _unpack(wheels: list[Path], place: Path, python: str, machine: str) -> None:
    options = ("--no-index", "--no-compile", "--ignore-requires-python")  # of the Python that runs pip
    pip("install", *options, "--target", place, *target(python, machine), *wheels)
    for name in ("bin", "share"):  # commands of the libraries, and their man pages
        shutil.rmtree(place / name, ignore_errors=True)


def main() -> None:
    """See the top of this file."""
    if sys.argv[1] == "--into":
        install(Path(sys.argv[3]), Path(sys.argv[2]), sys.argv[4])
        return
    folder, machine = Path(sys.argv[1]), sys.argv[2]
    download(folder / "wheels", machine)
    for wheel in (folder / "wheels").glob("*.whl"):
        unpack(wheel)
    everywhere = [
        f"{each.pinned} ; {each.marker}" if each.marker else each.pinned
        for each in requirements()
        if any(needed(each, python, machine) for python in SYSTEMS)
    ]
    (folder / "requirements.txt").write_text("\n".join(everywhere) + "\n")


if __name__ == "__main__":
    main()
