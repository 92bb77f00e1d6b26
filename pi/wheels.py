"""The wheels of requirements/edge.txt for 64-bit Raspberry Pi OS, downloaded on any machine: `python pi/wheels.py DIR`.

Run by pi/bundle. Writes DIR/requirements.txt, too: what pip is to install there.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

from pip._vendor.packaging.markers import Marker

SYSTEMS = {"3.11": 36, "3.13": 41}  # Bookworm and Trixie: their Python and the second number of their glibc
LOCK = Path(__file__).parent.parent / "requirements" / "edge.txt"


def requirements() -> list[tuple[str, str, str]]:
    """(NAME==VERSION, marker or "", its hashes as pip wants them) of each in the lock file."""
    found = []
    for block in LOCK.read_text().replace("\\\n", " ").splitlines():
        if not block.startswith("#"):
            pinned, _, hashes = block.partition(" --hash")
            name, _, marker = pinned.partition(" ; ")
            found.append((name.strip(), marker.strip(), f"--hash{hashes}"))
    return found


def there(marker: str, python: str) -> bool:
    """Is a requirement with this marker for a Pi with that Python? pip looks at its own Python only."""
    pi = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return not marker or Marker(marker).evaluate(pi | {"platform_machine": "aarch64", "platform_system": "Linux"})


def pip(command: str, *arguments: object) -> None:
    quiet = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check"]
    subprocess.run([*quiet, *map(str, arguments)], check=True)


def download(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for python, glibc in SYSTEMS.items():
        wanted = folder / "wanted.txt"
        lines = [f"{name} {hashes}" for name, marker, hashes in requirements() if there(marker, python)]
        wanted.write_text("\n".join(lines))
        names = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, glibc + 1))]
        platforms = [word for name in names for word in ("--platform", name)]
        abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
        pip(
            "download", "--dest", folder, "--only-binary=:all:", "--require-hashes", "-r", wanted, "--no-deps",
            "--implementation", "cp", "--python-version", python, *abis, *platforms,
        )  # fmt: skip
        wanted.unlink()
    pip("download", "--dest", folder, "--no-deps", "--only-binary=:all:", "pip")  # which a Pi may lack


def unpack(wheel: Path) -> None:
    """The same wheel without compression: what is packed twice hardly shrinks."""
    plain = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(plain, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            entry.compress_type = zipfile.ZIP_STORED
            new.writestr(entry, content)
    plain.replace(wheel)


def main() -> None:
    folder = Path(sys.argv[1])
    download(folder / "wheels")
    for wheel in (folder / "wheels").glob("*.whl"):
        unpack(wheel)
    everywhere = [
        f"{name} ; {marker}" if marker else name
        for name, marker, _ in requirements()
        if any(there(marker, python) for python in SYSTEMS)
    ]
    (folder / "requirements.txt").write_text("\n".join(everywhere) + "\n")


if __name__ == "__main__":
    main()
