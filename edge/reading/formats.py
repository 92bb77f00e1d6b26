"""Opens picture files: only the promised formats, only regular files, and never more pixels than fit the memory."""

import logging
import os
import stat
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from edge.system import memory

SLIDES = frozenset({".svs", ".ndpi", ".scn", ".btf"})  # of TIFF files that only slide scanners write
OPENSLIDE = frozenset({".mrxs", ".bif", ".czi", ".svslide", ".dcm"})  # of whole slides that only OpenSlide reads
DICOM = b"DICM"  # stands after the first 128 bytes of a DICOM file
SUFFIXES = SLIDES | OPENSLIDE | {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".heif"}
VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv"})
MAX_PIXELS = 64_000_000
_LONGEST = 65_535  # pixels of a side, as in a JPEG; OpenCV's tables for a picture of one column took 600 MB
# What a picture needs while it is read, bytes per pixel: 4 for Pillow, 3 for our array, and 3 for an earlier picture
# that is still held. `deep` ones have more than 8 bits a channel. tests/edge/test_memory_limits.py holds these and
# the memory for all else: libraries, networks, and the parts of pictures that are kept.
_NEEDED, _NEEDED_DEEP = 10, 23
_ALL_ELSE = 140_000_000  # bytes
_SMALL = 4_000_000  # pixels: nothing is asked about a smaller picture
_TOO_MANY = (
    f"more than the {MAX_PIXELS // 1_000_000} million pixels that this tool reads at once; cut out the cell, or "
    "write it as TIFF in tiles (vips tiffsave OLD NEW.tif --tile)."
)
# Pillow may try no others: some start programs (PostScript starts Ghostscript). "JPEG" includes the MPO of phones. The
# first three need no further imports.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_LFS = b"version https://git-lfs"  # how a file begins that Git LFS left in the place of the real one
# The four letters that follow "ftyp" in a file of HEIF's family.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# Bytes that Pillow reads at once. With its default of 64 kB, reading a field of 640 x 480 takes 1.5 times as long.
ImageFile.MAXBLOCK = 1 << 20
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python writes what Pillow logs to stderr


class Refused(Exception):
    """A file that is no picture for this tool. The message completes a sentence that begins with the file's path."""


class RefusedAsTooLarge(Refused):
    """A picture with more pixels than are read at once; edge.field.large may read it part by part."""


@contextmanager
def opened(path: str | Path) -> Iterator[ImageFile.ImageFile]:
    """Opens a picture file with Pillow; its pixels aren't decoded yet.

    Raises:
        Refused: if the file isn't a picture that can be read.
        OSError: if the file can't be opened; or another of Pillow's errors if it is damaged.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its other end
        if os.path.isdir(path):
            raise Refused(_folder(path))
        raise Refused("is a pipe or a device, not a file.")
    if os.path.splitext(path)[1].lower() in OPENSLIDE and os.path.getsize(path):  # Pillow would read MIRAX's thumbnail
        raise Refused("is a whole slide, which only edge-classify reads, and not with --whole-image.")
    # By its path, Pillow would map some TIFF files into memory, and then not turn them upright.
    with warnings.catch_warnings(), open(path, "rb") as file:
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata on stderr; anything serious is an error
        try:
            picture = _jpeg(file) or Image.open(file, formats=_FORMATS)
        except Image.DecompressionBombError:
            raise RefusedAsTooLarge(f"holds {_TOO_MANY}") from None
        except UnidentifiedImageError:
            file.seek(0)
            picture = _heic(file, str(path))
        with picture:
            yield picture


def tags(picture: Image.Image) -> Mapping[int, Any]:
    """The TIFF tags of the current page of a picture; none for other formats."""
    return getattr(picture, "tag_v2", {})


def check_size(picture: Image.Image, deep: bool = False) -> None:
    """Raises Refused if a page of a picture is too large to be read. deep: whether it has more than 8 bits a channel.

    It is asked before the page is decoded, because a process that uses more memory than it may is killed.
    """
    pixels, size = picture.width * picture.height, f"has {picture.width}x{picture.height} pixels"
    if pixels > MAX_PIXELS:
        raise RefusedAsTooLarge(f"{size}, {_TOO_MANY}")
    if max(picture.size) > _LONGEST:
        raise Refused(f"{size}; no side may have more than {_LONGEST}, so cut it into parts.")
    needed = _ALL_ELSE + pixels * (_NEEDED_DEEP if deep else _NEEDED)
    if pixels > _SMALL and needed > (allowed := memory.limit()):
        raise Refused(
            f"{size}, for which {needed // 1_000_000} MB of memory are needed; this process may use "
            f"{int(allowed) // 1_000_000} MB. Shrink it or cut out the cell."
        )


def _folder(path: str | Path) -> str:
    try:
        os.scandir(path).close()
    except OSError as error:
        return f"is a directory that can't be read: {error.strerror}."
    if os.path.islink(path):
        return "is a link to a directory, which isn't followed; name it, to read its pictures."
    return "is a directory, not a picture."


def _jpeg(file: IO[bytes]) -> ImageFile.ImageFile | None:
    """Opens a JPEG picture as Image.open does, but without the imports for six other formats.

    None for any other file, and for those of which Image.open says what is wrong with them.
    """
    if file.read(3) == b"\xff\xd8\xff":
        file.seek(0)
        with suppress(SyntaxError, IndexError, TypeError, struct.error):
            picture: ImageFile.ImageFile = JpegImagePlugin.jpeg_factory(file)
            if picture.width * picture.height <= MAX_PIXELS:
                return picture
    file.seek(0)
    return None


def _heic(file: IO[bytes], path: str) -> ImageFile.ImageFile:
    """Opens a HEIC picture, whatever its name ends with. Raises Refused for any other file that Pillow doesn't know."""
    head = file.read(len(_LFS))
    if head[4:8] != b"ftyp" or head[8:12] not in _HEIC:
        raise Refused(_unknown(head, os.path.splitext(path)[1].lower()))
    try:
        import pillow_heif
    except ImportError:
        raise Refused(
            "is a HEIC picture, which needs the extra heic (pip install pillow-heif); or save it as JPEG or PNG."
        ) from None
    pillow_heif.register_heif_opener()
    try:
        file.seek(0)
        return Image.open(file, formats=("HEIF",))
    except UnidentifiedImageError:
        raise Refused("is a damaged HEIC picture.") from None


def _unknown(head: bytes, ending: str) -> str:
    """Why Pillow doesn't know a file. head: its first bytes; ending: of its name."""
    if not head:
        return "is empty (0 bytes)."
    if head == _LFS:
        return "is a Git LFS pointer, not the picture itself; run `git lfs pull`."
    if head[8:12] in (b"avif", b"avis"):
        return "is an AVIF picture; save it as JPEG or PNG."
    if head[4:8] == b"ftyp" or head[8:12] == b"AVI " or ending in VIDEOS:
        return "is a video, not a picture; give it with --camera."
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "is a TIFF that this tool can't read, such as one of floating-point colours; save it with 8 or 16 bits."
    return "is not a picture in a format that this tool reads (JPEG, PNG, TIFF, BMP, WebP, HEIC)."
