"""Model files that are changed for tests: forged, damaged, or as they were made earlier."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from edge.model import DIGITS, SEAL


def graph_of(content: bytes) -> bytes:
    """The flatbuffer in front of a model file's archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return content[: min(entry.header_offset for entry in archive.infolist())]


def repack(path: Path, out: Path, change: Callable[[dict], object]) -> Path:
    """Writes a copy of a model file with a changed contract.json, sealed."""
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {e.filename: archive.read(e) for e in archive.infolist()}
    document = json.loads(members["contract.json"])
    change(document)
    members["contract.json"] = json.dumps(document).encode()
    file = io.BytesIO(graph_of(content))
    with zipfile.ZipFile(file, "a") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        archive.comment = SEAL + bytes(DIGITS)
    return sealed(out, file.getvalue()[:-DIGITS])


def sealed(out: Path, content: bytes) -> Path:
    """Writes a file with the hash that belongs to it, as someone would who forges one."""
    out.write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    return out


def unsealed(path: Path, out: Path) -> Path:
    """A copy of a model file as it was made before there were seals."""
    file = repack(path, out, lambda document: document.update(contract=2))
    content = bytearray(file.read_bytes()[: -DIGITS - len(SEAL)])
    content[-2:] = b"\0\0"  # the length of the archive's comment
    out.write_bytes(content)
    return out
