"""Are the pixels of edge.reading.jpeg Pillow's? Compares them in pictures of all kinds, whole and damaged ones.

It needs only packages that are also installed on a Raspberry Pi.
"""

import hashlib
import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from edge import frames
from edge.frames import Unreadable
from edge.reading import jpeg
from edge.simulator import drawing

# Settings of Pillow's encoder, by the name of the kind. Subsampling is 4:4:4, 4:2:2 or 4:2:0.
_KINDS: dict[str, dict[str, object]] = {
    "baseline 4:2:0": {"subsampling": 2},
    "baseline 4:2:2": {"subsampling": 1},
    "baseline 4:4:4": {"subsampling": 0},
    "progressive 4:2:0": {"subsampling": 2, "progressive": True},
    "progressive 4:4:4": {"subsampling": 0, "progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "RGB": {"keep_rgb": True},
    "grey": {},
    "CMYK": {},
    "turned": {},
    "profile": {},
    "sRGB profile": {},
    "16 bit PNG": {},
    "cut off": {},
    "damaged": {},
    "damaged progressive": {"progressive": True},
}
_LARGEST = 400  # pixels of a side of the pictures that are made


@dataclass
class Decoding:
    """How many pictures of each kind were read.

    Attributes:
        all: by kind.
        fast: those that edge.reading.jpeg decoded, by kind. Pillow decoded the others.
        differ: those whose pixels, or whose error, aren't Pillow's.
        pixels: the sha256 of the pixels of all files that weren't made; two machines with the same one read them alike.
    """

    all: Counter[str] = field(default_factory=Counter)
    fast: Counter[str] = field(default_factory=Counter)
    differ: list[str] = field(default_factory=list)
    pixels: Any = field(default_factory=hashlib.sha256)

    def __str__(self) -> str:
        lines = [f"{kind}: {self.all[kind]} pictures, {self.fast[kind]} not by Pillow" for kind in self.all]
        differ = f"; not so: {', '.join(self.differ)}" if self.differ else ""
        total = self.all.total()
        lines.append(f"{total - len(self.differ)} of {total} as Pillow reads them{differ}")
        return "\n".join([*lines, f"pixels: {self.pixels.hexdigest()}"])


def decoding(count: int, paths: Iterable[str] = (), seed: int = 0) -> Decoding:
    """Compares `count` made pictures, and those in files, with what Pillow alone makes of them."""
    found = Decoding()
    for path in paths:
        _compare(found, "file", path)
    with tempfile.TemporaryDirectory() as folder:
        for number, (kind, content) in enumerate(made(count, np.random.default_rng(seed))):
            file = Path(folder) / f"{number} {kind.replace(':', '')}"
            file.write_bytes(content)
            _compare(found, kind, str(file))
            file.unlink()
    return found


def made(count: int, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Parts of drawn fields in files of each kind in turn, with odd and even sizes: (kind, content)."""
    field = drawing.field(rng, 2)[0]
    kinds = list(_KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        width, height = (int(each) for each in rng.integers(1, _LARGEST, 2))
        left, top = int(rng.integers(field.shape[1] - width)), int(rng.integers(field.shape[0] - height))
        noisy = field[top : top + height, left : left + width] + rng.integers(-9, 10, (height, width, 3))
        yield kind, _encoded(kind, np.clip(noisy, 0, 255).astype(np.uint8), rng)


def _encoded(kind: str, pixels: np.ndarray, rng: np.random.Generator) -> bytes:
    options, picture, ending = dict(_KINDS[kind]), Image.fromarray(pixels), "JPEG"
    if kind in ("grey", "CMYK"):
        picture = picture.convert("L" if kind == "grey" else kind)
    elif kind == "turned":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = int(rng.integers(1, 9))  # type: ignore[index]
    elif "profile" in kind:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        swapped = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
        options["icc_profile"] = swapped if kind == "profile" else profile
    elif "PNG" in kind:
        picture, ending = Image.fromarray(pixels[..., 1].astype(np.uint16) << 6), "PNG"
    file = io.BytesIO()
    if ending == "JPEG":
        options["quality"] = int(rng.integers(30, 100))
    picture.save(file, ending, **options)
    content = bytearray(file.getvalue())
    if kind == "cut off":
        return bytes(content[: int(rng.integers(1, len(content)))])
    if "damaged" in kind:
        for place in rng.integers(len(content) // 8, len(content), int(rng.integers(1, 5))):
            content[place] = int(rng.integers(256))
    return bytes(content)


def _compare(found: Decoding, kind: str, path: str) -> None:
    with _counted() as count:
        got = frames.read(path)
    with _pillow_alone():
        expected = frames.read(path)
    found.all[kind] += 1
    found.fast[kind] += count[True]
    if isinstance(got, Unreadable) or isinstance(expected, Unreadable):
        same = got == expected
    else:
        same = np.array_equal(got.image, expected.image)
        if kind == "file":
            found.pixels.update(got.image.tobytes())
    if not same:
        found.differ.append(path)


@contextmanager
def _counted() -> Iterator[Counter[bool]]:
    """Counts for how many pictures edge.reading.jpeg gave pixels (True), and for how many it had none."""
    counts: Counter[bool] = Counter()
    original = jpeg.decode_jpeg

    def decode(*arguments: object, **options: object) -> np.ndarray:
        pixels: np.ndarray = original(*arguments, **options)
        counts[True] += 1
        return pixels

    with _replaced(decode if original else None):
        yield counts


@contextmanager
def _pillow_alone() -> Iterator[None]:
    with _replaced(None):
        yield


@contextmanager
def _replaced(decode: object) -> Iterator[None]:
    original = jpeg.decode_jpeg
    jpeg.decode_jpeg = decode
    try:
        yield
    finally:
        jpeg.decode_jpeg = original
