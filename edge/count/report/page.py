"""What a person reads in a report, in words and rows, for the HTML page and the PDF alike."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from PIL import Image

from edge.count.outcome import Judged
from edge.count.records import ALL, Run, Settings
from edge.count.report.content import AMENDED, FINAL, PRELIMINARY, Content
from edge.count.signing import Signature
from edge.count.statistics import Agreement
from edge.count.summary import WITHIN, Summary
from edge.count.verdicts import LYMPHOCYTE, MONOCYTE, NOT_A_CELL, OTHER, RED, UNSURE, Verdict
from edge.count.words import Words
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
# Names in the file of words
_CUT = "{count} more of these cells are not shown; the CSV report lists all."
_FOOT = "{name}, written {when} by edge-classify {software}. Not a medical device."
_RATIO = "Monocytes per lymphocyte: {ratio} (95 % interval {low} to {high})."
_NEEDED = (
    "For the monocytes' share to be known within {within} % to either side, {needed} lymphocytes and monocytes have to "
    "be counted; here there are {count}."
)
_FACTOR = "Nucleated red cells: {count}; a white cell count that includes them is to be multiplied by {factor}."
_NO_FACTOR = "Nucleated red cells: {count}; fewer than 5 per 100 white cells, so no count is corrected."
_CELLS = "{counted} of {target} {cells}; {repeated} seen again, counted once"
_SIGNED = "{reader}, {when}, version {version}, sha256 {sha256}"
_STOOD = "Of {count} {answer} answers that persons judged, {right} stood"
_BOTH = "{first} (rows) and {second} (columns) both judged {count} cells, and {same} the same."


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
    """A report as a person reads it, in one language.

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
    summary, say = content.summary, content.say
    shown = sorted(summary.doubtful, key=lambda each: not each.open)[:MOST_PICTURES]
    hidden = len(summary.doubtful) - len(shown)
    return Page(
        title=say("Cell count: {slide}", slide=clean(summary.settings.slide or summary.name)),
        status=_status(content),
        signed=content.status != PRELIMINARY,
        notices=[say.translated(clean(each)) for each in summary.notices],
        whole=say(summary.settings.cells),
        rows=_rows(summary, say),
        results=_results(summary, say),
        facts=_facts(content),
        machine=_machine(summary, say),
        agreement=_agreement(summary.agreement, summary.readers, say) if summary.agreement else [],
        table=_table(summary.agreement) if summary.agreement else [],
        differences=_differences(content),
        pictures=[_pictured(content, each) for each in shown],
        cut=say(_CUT, count=hidden) if hidden else "",
        foot=say(_FOOT, name=content.name, when=_when(summary.written), software=summary.software),
    )


def _status(content: Content) -> str:
    status = content.say(_TITLES[content.status])
    if content.version == 1:
        return status
    return content.say("{status}, version {version}", status=status, version=content.version)


def _rows(summary: Summary, say: Words) -> list[Row]:
    rows = []
    for label in MARKS:
        share, count = summary.shares.get(label), summary.counts.get(label, 0)
        if label == "":
            count = summary.open
        if not count and label not in summary.shares:
            continue
        name = say(label or "open: waits for a person")
        if share is None or share.value is None or share.low is None or share.high is None:
            rows.append(Row(name, *MARKS[label], count))
        else:
            low, value, high = (say.number(100 * each, 1) for each in (share.low, share.value, share.high))
            bar = (share.low, share.value, share.high)
            interval = say("{low} to {high} %", low=low, high=high)
            rows.append(Row(name, *MARKS[label], count, f"{value} %", interval, bar))
    return rows


def _results(summary: Summary, say: Words) -> list[str]:
    found, ratio = [], summary.ratio
    if ratio.value is not None and ratio.low is not None:
        value, low = say.number(ratio.value, 3), say.number(ratio.low, 3)
        high = say("no bound") if ratio.high is None else say.number(ratio.high, 3)
        found.append(say(_RATIO, ratio=value, low=low, high=high))
    if summary.needed:
        count = ratio.numerator + ratio.denominator
        found.append(say(_NEEDED, within=f"{100 * WITHIN:.0f}", needed=summary.needed, count=count))
    if summary.nucleated_red:
        factor = summary.nucleated_red_factor
        multiplier = "" if factor is None else say.number(factor, 3)
        found.append(say(_FACTOR if multiplier else _NO_FACTOR, count=summary.nucleated_red, factor=multiplier))
    return found


def _facts(content: Content) -> list[tuple[str, str]]:
    summary, say = content.summary, content.say
    settings, runs = summary.settings, summary.runs
    counted = say("not yet")
    if summary.began:
        counted = say("{first} to {last}", first=_when(summary.began), last=_when(summary.ended))
    found = [
        ("Slide", settings.slide or say("not named")),
        ("Operator", settings.operator or say("not named")),
        ("Note", settings.note),
        ("Counted", counted),
        ("Cells", _cells(summary, say)),
        ("Readers", _readers(summary.readers, settings, say)),
        ("Source", _each((run.source for run in runs), say)),
        ("Model", _each((f"{run.model}, sha256 {run.model_sha256}" for run in runs), say)),
        ("Site profile", _each((_profile(run, say) for run in runs), say)),
        ("Stated risk", _each((_risk(run, say) for run in runs), say)),
        ("Software", _each((f"edge-classify {run.software}" for run in runs), say)),
        ("Session", f"{summary.name}, {summary.id}"),
        ("Signature", _signature(summary.signature, say)),
    ]
    return [(say(name), _short(value, _LONGEST)) for name, value in found if value]


def _cells(summary: Summary, say: Words) -> str:
    settings = summary.settings
    cells, repeated = say(settings.cells), summary.repeated
    return say(_CELLS, counted=summary.counted, target=settings.target, cells=cells, repeated=repeated)


def _readers(readers: Sequence[str], settings: Settings, say: Words) -> str:
    cells = say("all cells" if settings.read == ALL else "the doubtful cells")
    if settings.blind:
        cells = say("{cells}, without the machine's answers", cells=cells)
    names = ", ".join(readers) or say("none yet")
    return say("{readers}; {count} to judge {cells}", readers=names, count=settings.readers, cells=cells)


def _profile(run: Run, say: Words) -> str:
    return f"{run.profile}, sha256 {run.profile_sha256}" if run.profile else say("none")


def _risk(run: Run, say: Words) -> str:
    return say("none, each cell answered") if run.risk is None else f"{run.risk:g}".replace(".", say.page["decimal"])


def _signature(signed: Signature | None, say: Words) -> str:
    if not signed:
        return say("not signed")
    text = say(_SIGNED, reader=signed.reader, when=_when(signed.at), version=signed.version, sha256=signed.sha256)
    if signed.replaces:
        text = say("{signature}; replaces the version of sha256 {sha256}", signature=text, sha256=signed.replaces)
    return text if signed.intact else say("BROKEN: {signature}", signature=text)


def _each(values: Iterable[str], say: Words) -> str:
    return "; ".join(dict.fromkeys(values)) or say("none")


def _machine(summary: Summary, say: Words) -> list[str]:
    if not summary.machine:
        return []
    found = [say("Answers: {answers}.", answers=_counts(sorted(summary.machine.items()), say))]
    for each in summary.corrected:
        right, others = each.right, [(label, count) for label, count in each.table.items() if label != each.answer]
        text = say(_STOOD, count=right.count, answer=say(each.answer), right=right.right)
        if right.low is not None and right.high is not None:
            low, high = (say.number(100 * bound, 1) for bound in (right.low, right.high))
            text = say("{sentence} (95 % interval {low} to {high} %)", sentence=text, low=low, high=high)
        if others:
            text = say("{sentence}; the others: {others}", sentence=text, others=_counts(others, say))
        found.append(f"{text}.")
    return found


def _counts(counts: Iterable[tuple[str, int]], say: Words) -> str:
    return ", ".join(say("{count} {label}", count=count, label=say(label)) for label, count in counts)


def _agreement(agreement: Agreement, readers: Sequence[str], say: Words) -> list[str]:
    same = agreement.same
    first, second = (_short(name, 40) for name in readers[:2])
    found = [say(_BOTH, first=first, second=second, count=same.count, same=same.right)]
    if agreement.kappa is not None and agreement.low is not None and agreement.high is not None:
        kappa, low, high = (say.number(each, 2) for each in (agreement.kappa, agreement.low, agreement.high))
        found.append(say("Cohen's kappa: {kappa} (95 % interval {low} to {high}).", kappa=kappa, low=low, high=high))
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
    names, say = ", ".join(_short(name, 40) for name in readers), content.say
    text = say("They differ (by the letters of {readers}) about {cells}", readers=names, cells="; ".join(shown))
    if more:
        text = say("{sentence}; and {more} more, which the CSV report lists", sentence=text, more=more)
    return f"{text}."


def _pictured(content: Content, each: Judged) -> Pictured:
    cell, say = each.cell, content.say
    said = [
        say("{who}: {what}", who=_short(name, 30), what=_short(_verdict(verdicts[cell.id], say), 80))
        for name, verdicts in content.found.verdicts.items()
        if cell.id in verdicts
    ]
    machine = say("machine: {answer}", answer=say(cell.answer)) if cell.answer else say("missed by the machine")
    if cell.reason:
        machine = say("{who}: {what}", who=say(cell.answer), what=_short(say.translated(cell.reason), 80))
    label = say(each.label) if each.label else say("open: {why}", why=say(each.open))
    if len(said) == 1 and each.by:
        label = ""
    lines = [label, machine, *said]
    return Pictured(cell.id, *MARKS[each.label], list(filter(None, lines)), _small(content.journal.crop(cell.id)))


def _verdict(verdict: Verdict, say: Words) -> str:
    kind = say(verdict.kind)
    return f"{kind} ({verdict.note})" if verdict.note else kind


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
