"""Writes small whole slides in DICOM, as scanners do: a file for each size of the picture."""

import struct
from pathlib import Path

import numpy as np

_MICROSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.6"  # the class of whole slides
_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_ROOT = "1.2.826.0.1.3680043.10.1"
_LONG = ("OB", "OW", "SQ")  # types whose length has four bytes


def write(path: Path, image: np.ndarray, number: int, tile: int = 256, kind: str = "VOLUME") -> None:
    """Writes one size of a slide. image: RGB uint8 [height, width, 3]; number: of the file in its series."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % tile), (0, -width % tile), (0, 0)))
    tiles = [
        padded[y : y + tile, x : x + tile].tobytes()
        for y in range(0, padded.shape[0], tile)
        for x in range(0, padded.shape[1], tile)
    ]
    spacing = f"{0.25 / width:.8f}"
    measures = _item(_element(0x0018, 0x0050, "DS", "0.001") + _element(0x0028, 0x0030, "DS", f"{spacing}\\{spacing}"))
    meta = (
        _element(0x0002, 0x0001, "OB", b"\0\1")
        + _element(0x0002, 0x0002, "UI", _MICROSCOPY)
        + _element(0x0002, 0x0003, "UI", f"{_ROOT}.{number}")
        + _element(0x0002, 0x0010, "UI", _LITTLE_ENDIAN)
    )
    body = (
        _element(0x0008, 0x0008, "CS", f"ORIGINAL\\PRIMARY\\{kind}\\NONE")
        + _element(0x0008, 0x0016, "UI", _MICROSCOPY)
        + _element(0x0008, 0x0018, "UI", f"{_ROOT}.{number}")
        + _element(0x0008, 0x0060, "CS", "SM")
        + _element(0x0020, 0x000D, "UI", f"{_ROOT}.1000")
        + _element(0x0020, 0x000E, "UI", f"{_ROOT}.1001")
        + _element(0x0020, 0x0052, "UI", f"{_ROOT}.1002")
        + _element(0x0020, 0x9311, "CS", "TILED_FULL")
        + _element(0x0028, 0x0002, "US", 3)
        + _element(0x0028, 0x0004, "CS", "RGB")
        + _element(0x0028, 0x0006, "US", 0)
        + _element(0x0028, 0x0008, "IS", str(len(tiles)))
        + _element(0x0028, 0x0010, "US", tile)
        + _element(0x0028, 0x0011, "US", tile)
        + _element(0x0028, 0x0100, "US", 8)
        + _element(0x0028, 0x0101, "US", 8)
        + _element(0x0028, 0x0102, "US", 7)
        + _element(0x0028, 0x0103, "US", 0)
        + _element(0x0048, 0x0006, "UL", width)
        + _element(0x0048, 0x0007, "UL", height)
        + _element(0x0048, 0x0105, "SQ", _item(_element(0x0048, 0x0106, "SH", "1")))
        + _element(0x0048, 0x0302, "UL", 1)
        + _element(0x0048, 0x0303, "UL", 1)
        + _element(0x5200, 0x9229, "SQ", _item(_element(0x0028, 0x9110, "SQ", measures)))
        + _element(0x7FE0, 0x0010, "OB", b"".join(tiles))
    )
    path.write_bytes(bytes(128) + b"DICM" + _element(0x0002, 0x0000, "UL", len(meta)) + meta + body)


def _element(group: int, number: int, kind: str, value: str | bytes | int) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<H" if kind == "US" else "<I", value)
    elif isinstance(value, str):
        value = value.encode()
    if len(value) % 2:
        value += b"\0" if kind in ("UI", "OB") else b" "
    head = struct.pack("<HH2s", group, number, kind.encode())
    return head + (struct.pack("<HI", 0, len(value)) if kind in _LONG else struct.pack("<H", len(value))) + value


def _item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
