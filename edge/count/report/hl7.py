"""HL7 v2.5.1: an unsolicited result, ORU^R01."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge.count.report.content import AMENDED, FINAL, PRELIMINARY, Content
from edge.count.report.observations import Code, observations, panel
from edge.system.paths import clean

_OWN = "99EDGE"  # names this program's own codes, as HL7's table 0396 asks of local ones
_STATUS = {PRELIMINARY: "P", FINAL: "F", AMENDED: "C"}
_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\n": "\\.br\\", "\r": None}
)


def write(content: Content, path: Path) -> None:
    """Writes the message: UTF-8, a carriage return after each segment."""
    path.write_bytes("".join(f"{segment}\r" for segment in segments(content)).encode("utf-8", "backslashreplace"))


def segments(content: Content) -> list[str]:
    """The segments of the message, without the carriage returns."""
    summary, status = content.summary, _STATUS[content.status]
    settings, written = summary.settings, _time(summary.written)
    # A message's identifier has at most 20 characters.
    message = hashlib.sha256(f"{content.name} {summary.written}".encode()).hexdigest()[:20]
    began, ended = _time(summary.began), _time(summary.ended)
    issued = _time(summary.signature.at) if summary.signature else written
    people = "~".join(f"^{_text(name)}" for name in content.people)
    machine = "~".join(f"{each}^edge-classify" for each in dict.fromkeys(run.model_sha256 for run in summary.runs))
    found = [
        _segment("MSH", "^~\\&", "edge-count", "", "", "", written, "", "ORU^R01^ORU_R01", message, "P", "2.5.1")
        + "|" * 6
        + "UNICODE UTF-8",
        # The session knows no patient: an identifier and a name of the types "unspecified".
        _segment("PID", 1, "", "^^^^U", "", "^^^^^^U"),
        _segment("OBR", 1, _text(settings.slide), f"{content.name}^edge-count", _code(panel(content)))
        + f"|||{began}|{ended}"
        + "|" * 14
        + f"{issued}|||{status}",
    ]
    said = [("Slide", settings.slide), ("Operator", settings.operator), ("Note", settings.note)]
    notes = [*summary.notices, *(f"{name}: {value}" for name, value in said if value)]
    notes += [f"Counted with {run.model}, edge-classify {run.software}." for run in summary.runs[-1:]]
    found += _notes(notes)
    for number, each in enumerate(observations(content), 1):
        found.append(
            _segment("OBX", number, "NM", _code(each), "", f"{each.value:.10g}", f"{each.unit}^^UCUM", "", "", "", "")
            + f"|{status}|||{ended}||{people}||{machine}".rstrip("|")
        )
        if each.interval:
            low, high = each.interval
            found += _notes([f"95 % interval {low:g} to {high:g} (Clopper-Pearson)"])
    return found


def _segment(*fields: object) -> str:
    return "|".join(map(str, fields))


def _notes(lines: Sequence[str]) -> list[str]:
    return [_segment("NTE", number, "L", line.translate(_ESCAPES)) for number, line in enumerate(lines, 1)]


def _code(code: Code) -> str:
    own = f"{_text(code.code)}^{_text(code.text)}^{_OWN}"
    return f"{code.loinc[0]}^{_text(code.loinc[1])}^LN^{own}" if code.loinc else own


def _text(text: str) -> str:
    return clean(text).translate(_ESCAPES)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S+0000") if seconds else ""
