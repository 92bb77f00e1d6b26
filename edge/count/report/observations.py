"""The results of a session as single observations, for laboratory systems.

A LOINC code stands only where its meaning is met: the share of all leukocytes, counted by persons. What the program
counts otherwise has a code of this program's own.
"""

from dataclasses import dataclass

from edge.count.records import NAMED
from edge.count.report.content import Content
from edge.count.verdicts import LYMPHOCYTE, MONOCYTE, NAMES, OTHER, RED, UNSURE, WHITE

# LOINC's "... /100 leukocytes in Blood by Manual count".
_LOINC = {LYMPHOCYTE: "737-7", MONOCYTE: "744-3", "neutrophil": "23761-0", "eosinophil": "714-6", "basophil": "707-0"}
_LOINC_RED = ("18309-5", "Nucleated erythrocytes/100 leukocytes [Ratio] in Blood by Manual count")
_CODES = {
    LYMPHOCYTE: "LYM",
    MONOCYTE: "MON",
    "neutrophil": "NEU",
    "eosinophil": "EOS",
    "basophil": "BAS",
    OTHER: "OTH",
    UNSURE: "UNSURE",
    RED: "NRBC",
}
_MANY = {OTHER: "Other white cells", UNSURE: "Cells of which a reader is unsure"}


@dataclass(frozen=True)
class Code:
    """What is observed.

    Attributes:
        code: this program's own.
        text: what it is, in words.
        loinc: LOINC's code and name; None where none has this meaning.
    """

    code: str
    text: str
    loinc: tuple[str, str] | None = None


@dataclass(frozen=True)
class Observation(Code):
    """One result.

    Attributes:
        value: in `unit`.
        unit: of UCUM, such as "%".
        interval: bounds of the exact 95 % interval, in `unit`; None if there is none.
    """

    value: float = 0
    unit: str = "{cells}"
    interval: tuple[float, float] | None = None


def panel(content: Content) -> Code:
    """What the report as a whole is."""
    if content.is_differential:
        return Code("DIFFERENTIAL", "Differential count", ("24318-8", "Manual Differential panel - Blood"))
    return Code("CELL-COUNT", "Count of lymphocytes and monocytes in a blood smear")


def observations(content: Content) -> list[Observation]:
    """All results of a session: counts, shares in percent, the ratio of monocytes to lymphocytes."""
    summary = content.summary
    found = [
        Observation(_CODES[label], f"{_many(label)}, counted", value=summary.counts.get(label, 0))
        for label in (*WHITE, UNSURE, RED)
        if label in summary.counts or label in NAMES
    ]
    for label, share in summary.shares.items():
        if share.value is not None and share.low is not None and share.high is not None:
            found.append(
                Observation(
                    *_share_code(content, label),
                    value=round(100 * share.value, 2),
                    unit="%",
                    interval=(round(100 * share.low, 2), round(100 * share.high, 2)),
                )
            )
    ratio = summary.ratio
    if ratio.value is not None:
        bounds = None if ratio.low is None or ratio.high is None else (round(ratio.low, 4), round(ratio.high, 4))
        text = "Monocytes per lymphocyte"
        found.append(Observation("MON-LYM", text, value=round(ratio.value, 4), unit="1", interval=bounds))
    if summary.nucleated_red and content.found.white:
        value = round(100 * summary.nucleated_red / content.found.white, 2)
        loinc = _LOINC_RED if content.is_differential else None
        text = "Nucleated red cells per 100 white cells"
        found.append(Observation("NRBC-PER-100", text, loinc, value=value, unit="/100{WBCs}"))
    return found


def _share_code(content: Content, label: str) -> tuple[str, str, tuple[str, str] | None]:
    """The code of a label's share, by what it is a share of."""
    if content.summary.settings.counted == NAMED:
        return f"{_CODES[label]}-PCT-NAMED", f"{_many(label)} per 100 lymphocytes and monocytes", None
    if not content.is_differential:
        return f"{_CODES[label]}-PCT-SEEN", f"{_many(label)} per 100 white cells that were looked at", None
    loinc = (_LOINC[label], f"{_many(label)}/100 leukocytes in Blood by Manual count") if label in _LOINC else None
    return f"{_CODES[label]}-PCT", f"{_many(label)} per 100 white cells", loinc


def _many(label: str) -> str:
    return _MANY.get(label, f"{label.capitalize()}s")
