"""How pictures that this tool wrote are known again, so that a later run doesn't read them as fields."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from PIL import Image

# The comment in every JPEG file with answers drawn on it.
COMMENT = b"Answers of edge-classify are drawn on this picture."
# A hidden file of this name lies in each folder that `--save` writes. Its pictures are fields and cells that a person
# may want to read again or to label, so they are left out only if their folder lies inside the folder that is read.
SAVED = ".edge-classify-saved"
# Only files with such names are opened to look for the comment: opening each file of a folder would take long.
_NAMES = (".annotated.jpg", ".explained.jpg", ".field.jpg")


def is_drawn(path: str) -> bool:
    """Whether this tool drew answers on a picture file. A user's own file of such a name isn't taken for one."""
    if not path.endswith(_NAMES) or not Path(path).is_file():
        return False
    with suppress(Exception), Image.open(path, formats=("JPEG",)) as picture:
        return picture.info.get("comment") == COMMENT
    return False


def is_for_saving(files: Iterable[str]) -> bool:
    """Whether `--save` writes into the folder that holds these files."""
    return SAVED in files
