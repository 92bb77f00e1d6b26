"""What a person may say about a cell: the verdicts, and their keys."""

from dataclasses import dataclass

from edge.errors import UserError

LYMPHOCYTE, MONOCYTE, OTHER = "lymphocyte", "monocyte", "other"
NOT_A_CELL, UNSURE, RED = "not a cell", "unsure", "nucleated red cell"
# In the order of their keys, 1 to 9.
VERDICTS = (LYMPHOCYTE, MONOCYTE, "neutrophil", "eosinophil", "basophil", OTHER, NOT_A_CELL, UNSURE, RED)
NAMES = (LYMPHOCYTE, MONOCYTE)
# What counts as a nucleated white cell. Nucleated red cells are counted aside, and "unsure" decides nothing.
WHITE = VERDICTS[:6]
KEYS = {str(number): verdict for number, verdict in enumerate(VERDICTS, 1)}
LONGEST_NOTE = 500  # characters


@dataclass(frozen=True)
class Verdict:
    """What a person says about a cell.

    Attributes:
        kind: one of VERDICTS.
        note: free text, such as what kind of OTHER it is; "" for none.
    """

    kind: str
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in VERDICTS:
            raise UserError(f"{self.kind!r} is no verdict; the verdicts are {', '.join(VERDICTS)}.")
        if len(self.note) > LONGEST_NOTE:
            raise UserError(f"A note may have {LONGEST_NOTE} characters; this one has {len(self.note)}.")

    def __str__(self) -> str:
        return f"{self.kind} ({self.note})" if self.note else self.kind


def mapped_keys(text: str) -> dict[str, str]:
    """The keys with those that a user maps.

    Args:
        text: such as "l=lymphocyte,m=monocyte"; "" for the usual keys alone.

    Returns:
        Verdict by key. The usual keys remain, unless the text maps them.

    Raises:
        UserError: where a key isn't one character, is one that a review needs, or has no verdict.
    """
    keys = dict(KEYS)
    for each in filter(None, (part.strip() for part in text.split(","))):
        key, _, verdict = each.partition("=")
        verdict = verdict.strip().lower()
        if len(key) != 1 or not key.isprintable() or key in RESERVED:
            raise UserError(f"{key!r} can't be mapped to a verdict; take one character other than {RESERVED!r}.")
        keys[key] = Verdict(verdict).kind
    return keys


RESERVED = " ?qurnf"  # keys of a review at the terminal
