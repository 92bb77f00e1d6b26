"""What a person reads in a report, in words and rows, for the HTML page and the PDF alike."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from PIL import Image

from edge.count.outcome import Judged
from edge.count.records import ALL, Run
from edge.count.report.content import AMENDED, FINAL, PRELIMINARY, Content
from edge.count.statistics import Agreement
from edge.count.summary import WITHIN, Summary
from edge.count.verdicts import LYMPHOCYTE, MONOCYTE, NOT_A_CELL, OTHER, RED, UNSURE
from edge.system.paths import clean

MOST_PICTURES = 200
MOST_DIFFERENCES = 40
_LONGEST = 240  # characters of a fact; the JSON report has all of them
_SIDE = 160  # pixels of a picture in the report; printed 17 mm wide, that is 240 dots an inch

# Each label by letter and by colour. White text on each colour has a contrast of at least 5:1; the hues are those of
# Okabe and Ito, darkened, which colour-blind people tell apart.
MARKS = {
    LYMPHOCYTE: ("L", "#00629B"),
    MONOCYTE: ("M", "#A84300"),
    "neutrophil": ("N", "#00694E"),
    "eosinophil": ("E", "#8C2F66"),
    "basophil": ("B", "#3B3B98"),
    OTHER: ("O", "#4D4D4D"),
    NOT_A_CELL: ("×", "#4D4D4D"),
    UNSURE: ("?", "#4D4D4D"),
    RED: ("R", "#8B1A1A"),
    "": ("…", "#000000"),
}
_TITLES = {
    PRELIMINARY: "Preliminary",
    FINAL: "Signed",
    AMENDED: "Amended and signed",
}


@dataclass(frozen=True)
class Row:
    """One label's count.

    Attributes:
        label: in words.
        letter, colour: its mark.
        count: cells.
        share: in percent, such as "16.7 %"; "" where there is none.
        interval: in percent, such as "11.5 to 22.9 %"; "" where there is none.
        bar: low, value and high of the share, 0 to 1; None where there is none.
    """

    label: str
    letter: str
    colour: str
    count: int
    share: str = ""
    interval: str = ""
    bar: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Pictured:
    """A cell of the gallery.

    Attributes:
        number: of the cell.
        letter, colour: the mark of its label.
        lines: what it counts as or why it is open, the machine's answer with its reason, and each reader's verdict.
        jpeg: its picture.
    """

    number: int
    letter: str
    colour: str
    lines: Sequence[str]
    jpeg: bytes


@dataclass(frozen=True)
class Page:
    """A report as a person reads it.

    Attributes:
        title: what was counted.
        status: in words.
        signed: whether it is signed, and intact.
        notices: what a reader has to know first.
        whole: what the shares are shares of.
        rows: the counts.
        results: sentences about ratio, target, red cells.
        facts: names with values, such as the operator's.
        machine: sentences about the machine's answers.
        agreement: sentences about the readers.
        table: of the readers' labels: a head, and a row of cells each; empty without two readers.
        differences: where readers differ, in words; "" if nowhere.
        pictures: the gallery.
        cut: says that the gallery lacks cells; "" if it doesn't.
        foot: the last line.
    """

    title: str
    status: str
    signed: bool
    notices: Sequence[str]
    whole: str
    rows: Sequence[Row]
    results: Sequence[str]
    facts: Sequence[tuple[str, str]]
    machine: Sequence[str]
    agreement: Sequence[str]
    table: Sequence[Sequence[str]]
    differences: str
    pictures: Sequence[Pictured]
    cut: str
    foot: str


def page(content: Content) -> Page:
    """The report in words. Reads the pictures of the gallery's cells, and of no others."""
    summary = content.summary
    shown = sorted(summary.doubtful, key=lambda each: not each.open)[:MOST_PICTURES]
    hidden = len(summary.doubtful) - len(shown)
    return Page(
        title=f"Cell count: {clean(summary.settings.slide or summary.name)}",
        status=_TITLES[content.status] + (f", version {content.version}" if content.version > 1 else ""),
        signed=content.status != PRELIMINARY,
        notices=[clean(each) for each in summary.notices],
        whole=summary.settings.cells,
        rows=_rows(summary),
        results=_results(summary),
        facts=_facts(content),
        machine=_machine(summary),
        agreement=_agreement(summary.agreement, summary.readers) if summary.agreement else [],
        table=_table(summary.agreement) if summary.agreement else [],
        differences=_differences(content),
        pictures=[_pictured(content, each) for each in shown],
        cut=f"{hidden} more of these cells are not shown; the CSV report lists all." if hidden else "",
        foot=f"{content.name}, written {_when(summary.written)} by edge-classify {summary.software}",
    )


def _rows(summary: Summary) -> list[Row]:
    rows = []
    for label in MARKS:
        share, count = summary.shares.get(label), summary.counts.get(label, 0)
        if label == "":
            count = summary.open
        if not count and label not in summary.shares:
            continue
        name = label or "open: waits for a person"
        if share is None or share.value is None or share.low is None or share.high is None:
            rows.append(Row(name, *MARKS[label], count))
        else:
            interval = f"{100 * share.low:.1f} to {100 * share.high:.1f} %"
            bar = (share.low, share.value, share.high)
            rows.append(Row(name, *MARKS[label], count, f"{100 * share.value:.1f} %", interval, bar))
    return rows


def _results(summary: Summary) -> list[str]:
    found, ratio = [], summary.ratio
    if ratio.value is not None and ratio.low is not None:
        high = "no bound" if ratio.high is None else f"{ratio.high:.3f}"
        found.append(f"Monocytes per lymphocyte: {ratio.value:.3f} (95 % interval {ratio.low:.3f} to {high}).")
    if summary.needed:
        found.append(
            f"For the monocytes' share to be known within {100 * WITHIN:.0f} % to either side, {summary.needed} "
            f"lymphocytes and monocytes have to be counted; here there are {ratio.numerator + ratio.denominator}."
        )
    if summary.nucleated_red:
        factor = summary.nucleated_red_factor
        correction = (
            "fewer than 5 per 100 white cells, so no count is corrected"
            if factor is None
            else f"a white cell count that includes them is to be multiplied by {factor:.3f}"
        )
        found.append(f"Nucleated red cells: {summary.nucleated_red}; {correction}.")
    return found


def _facts(content: Content) -> list[tuple[str, str]]:
    summary = content.summary
    settings, signed = summary.settings, summary.signature
    kinds = settings.cells
    reading = "all cells" if settings.read == ALL else "the doubtful cells"
    reading += ", without the machine's answers" if settings.blind else ""
    found = [
        ("Slide", settings.slide or "not named"),
        ("Operator", settings.operator or "not named"),
        ("Note", settings.note),
        ("Counted", f"{_when(summary.began)} to {_when(summary.ended)}" if summary.began else "not yet"),
        ("Cells", f"{summary.counted} of {settings.target} {kinds}; {summary.repeated} seen again, counted once"),
        ("Readers", f"{', '.join(summary.readers) or 'none yet'}; {settings.readers} to judge {reading}"),
        ("Source", _each(run.source for run in summary.runs)),
        ("Model", _each(f"{run.model}, sha256 {run.model_sha256}" for run in summary.runs)),
        ("Site profile", _each(_profile(run) for run in summary.runs)),
        (
            "Stated risk",
            _each("none, each cell answered" if run.risk is None else f"{run.risk:g}" for run in summary.runs),
        ),
        ("Software", _each(f"edge-classify {run.software}" for run in summary.runs)),
        ("Session", f"{summary.name}, {summary.id}"),
    ]
    if signed:
        state = "" if signed.intact else "BROKEN: "
        replaces = f"; replaces the version of sha256 {signed.replaces}" if signed.replaces else ""
        text = f"{state}{signed.reader}, {_when(signed.at)}, version {signed.version}, sha256 {signed.sha256}{replaces}"
        found.append(("Signature", text))
    else:
        found.append(("Signature", "not signed"))
    return [(name, _short(value, _LONGEST)) for name, value in found if value]


def _profile(run: Run) -> str:
    return f"{run.profile}, sha256 {run.profile_sha256}" if run.profile else "none"


def _each(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values)) or "none"


def _machine(summary: Summary) -> list[str]:
    if not summary.machine:
        return []
    found = ["Answers: " + ", ".join(f"{count} {answer}" for answer, count in sorted(summary.machine.items())) + "."]
    for each in summary.corrected:
        other = ", ".join(f"{count} {label}" for label, count in each.table.items() if label != each.answer)
        stood = f"Of {each.right.count} {each.answer} answers that persons judged, {each.right.right} stood"
        if each.right.low is not None and each.right.high is not None:
            stood += f" (95 % interval {100 * each.right.low:.1f} to {100 * each.right.high:.1f} %)"
        found.append(stood + (f"; the others: {other}." if other else "."))
    return found


def _agreement(agreement: Agreement, readers: Sequence[str]) -> list[str]:
    same = agreement.same
    first, second = (_short(name, 40) for name in readers[:2])
    found = [f"{first} (rows) and {second} (columns) both judged {same.count} cells, and {same.right} the same."]
    if agreement.kappa is not None:
        interval = f"95 % interval {agreement.low:.2f} to {agreement.high:.2f}"
        found.append(f"Cohen's kappa: {agreement.kappa:.2f} ({interval}).")
    return found


def _table(agreement: Agreement) -> list[list[str]]:
    letters = [MARKS[label][0] for label in agreement.labels]
    body = [[letter, *map(str, row)] for letter, row in zip(letters, agreement.table, strict=True)]
    return [["", *letters], *body]


def _differences(content: Content) -> str:
    """The cells about which readers differ, each with a letter a reader; "-" for one who didn't judge it."""
    differences, readers, verdicts = content.summary.differences, content.summary.readers, content.found.verdicts
    if not differences:
        return ""
    shown = []
    for each in differences[:MOST_DIFFERENCES]:
        letters = [MARKS[verdicts[name][each.cell].kind][0] if name in each.said else "-" for name in readers]
        shown.append(f"#{each.cell} {' '.join(letters)}")
    more = len(differences) - len(shown)
    names = ", ".join(_short(name, 40) for name in readers)
    return f"They differ (by the letters of {names}) about {'; '.join(shown)}" + (
        f"; and {more} more, which the CSV report lists." if more else "."
    )


def _pictured(content: Content, each: Judged) -> Pictured:
    cell = each.cell
    said = [
        f"{_short(name, 30)}: {_short(str(verdicts[cell.id]), 80)}"
        for name, verdicts in content.found.verdicts.items()
        if cell.id in verdicts
    ]
    machine = f"machine: {cell.answer}" if cell.answer else "missed by the machine"
    if cell.reason:
        machine = f"{cell.answer}: {_short(cell.reason, 80)}"
    label = "" if len(said) == 1 and each.by else each.label or f"open: {each.open}"
    lines = [label, machine, *said]
    return Pictured(cell.id, *MARKS[each.label], list(filter(None, lines)), _small(content.journal.crop(cell.id)))


def _short(text: str, longest: int) -> str:
    text = clean(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _small(jpeg: bytes) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(jpeg)) as picture:
        small = picture.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
    small.save(file, "JPEG", quality=85)
    return file.getvalue()


def _when(seconds: float) -> str:
    """A time for a person, where this machine is, such as "2026-11-26 10:49 +01:00"."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "minutes").replace("+", " +")
