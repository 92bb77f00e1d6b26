"""Reports of a session, for a person and for a laboratory's system.

>>> from edge.count.journal import Journal
>>> from edge.count.report import write
>>> with Journal.open("slide-7.session", read_only=True) as journal:
...     write(journal, Path("slide-7.pdf"))
"""

from collections.abc import Callable
from pathlib import Path

from edge.count.journal import Journal
from edge.count.report import document, fhir, hl7, html, pdf, tables
from edge.count.report.content import Content, content
from edge.count.words import ENGLISH
from edge.errors import UserError, must_be_new, writing
from edge.system.whole import write_new, write_whole

FORMATS: dict[str, tuple[str, Callable[[Content, Path], None]]] = {
    "html": (".html", html.write),
    "pdf": (".pdf", pdf.write),
    "csv": (".csv", tables.write_cells),
    "json": (".json", document.write),
    "hl7": (".hl7", hl7.write),
    "fhir": (".fhir.json", fhir.write),
    "openelis": (".openelis.csv", tables.write_openelis),
}
"""The formats by name: how a file's name ends, and the function that writes it."""


def write(journal: Journal, path: Path, language: str = ENGLISH) -> None:
    """Writes a report of a session as of now, whole or not at all.

    Args:
        journal: an open session.
        path: the new file. Its ending chooses one of FORMATS.
        language: of HTML and PDF, one of edge.count.words.languages. The other forms are for programs.

    Raises:
        UserError: for another ending, where there is a file already, where it can't be written, or where a library of
            the extra `count` is missing.
    """
    _, to = FORMATS[_format_of(path)]
    must_be_new(path)
    about = content(journal, language)
    with writing(path):
        write_whole(path, lambda part: to(about, part))


def hand_over(journal: Journal, folder: Path, name: str, language: str = ENGLISH) -> Path:
    """Writes a report into a folder that another program watches, under a name that no other report has.

    The name is made of the session's identifier and version, with a number where an earlier report has it. While the
    file isn't whole, its name ends in ".part".

    Args:
        journal: an open session.
        folder: an existing folder.
        name: of the format, one of FORMATS.
        language: as in `write`.

    Returns:
        The path of the new file.

    Raises:
        UserError: as `write`, and where there is no such folder or format.
    """
    if name not in FORMATS:
        raise UserError(f"{name!r} is no format of a report; the formats are {', '.join(FORMATS)}.")
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; make it, or name the one that your laboratory's system watches.")
    ending, to = FORMATS[name]
    about = content(journal, language)
    with writing(folder):
        number = write_new(folder, about.name, ending[1:], lambda part: to(about, part))
    return folder / f"{about.name}{f'-{number}' if number > 1 else ''}{ending}"


def _format_of(path: Path) -> str:
    """The format with the longest ending that the file's name has."""
    fitting = [name for name, (ending, _) in FORMATS.items() if path.name.lower().endswith(ending)]
    if not fitting:
        endings = ", ".join(ending for ending, _ in FORMATS.values())
        raise UserError(f"{path} doesn't say which report is wanted; give it one of the endings {endings}.")
    return max(fitting, key=lambda name: len(FORMATS[name][0]))
