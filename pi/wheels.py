"""`python pi/wheels.py DIR`: downloads the wheels of requirements/edge.txt for 64-bit Raspberry Pi OS, on any machine.

pi/bundle runs it. It also writes DIR/requirements.txt, the list that pip installs on the Pi.
"""

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


def needed(requirement: Requirement, python: str) -> bool:
    """Whether a Pi with that version of Python needs a package. pip itself would check this machine instead."""
    pi = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return not requirement.marker or Marker(requirement.marker).evaluate(
        pi | {"platform_machine": "aarch64", "platform_system": "Linux"}
    )


def pip(command: str, *arguments: object) -> None:
    """Runs pip. Raises CalledProcessError where it fails."""
    quiet = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check"]
    subprocess.run([*quiet, *map(str, arguments)], check=True)


def download(folder: Path) -> None:
    """Downloads the wheels for all SYSTEMS, and pip itself, which a Pi may lack."""
    folder.mkdir(parents=True, exist_ok=True)
    for python, glibc in SYSTEMS.items():
        wanted = folder / "wanted.txt"
        lines = [f"{each.pinned} {each.hashes}" for each in requirements() if needed(each, python)]
        wanted.write_text("\n".join(lines))
        names = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, glibc + 1))]
        platforms = [word for name in names for word in ("--platform", name)]
        abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
        pip(
            "download", "--dest", folder, "--only-binary=:all:", "--require-hashes", "-r", wanted, "--no-deps",
            "--implementation", "cp", "--python-version", python, *abis, *platforms,
        )  # fmt: skip
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


def main() -> None:
    """See the top of this file."""
    folder = Path(sys.argv[1])
    download(folder / "wheels")
    for wheel in (folder / "wheels").glob("*.whl"):
        unpack(wheel)
    everywhere = [
        f"{each.pinned} ; {each.marker}" if each.marker else each.pinned
        for each in requirements()
        if any(needed(each, python) for python in SYSTEMS)
    ]
    (folder / "requirements.txt").write_text("\n".join(everywhere) + "\n")


if __name__ == "__main__":
    main()
