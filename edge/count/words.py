"""The words of the page and of reports in each language, from one file, strings.json.

An entry is a name with a text in each language; where the English one is missing, it is the name. {…} stands for a
value. The parts are kinds of cells, the page, reports, and what other parts of the program say in English: notices and
reasons, some of which sessions keep.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

ENGLISH = "en"
_FILE = Path(__file__).with_name("strings.json")


class Words:
    """The words of one language. Use `words` to get them.

    Attributes:
        language: its code, such as "fr".
        page: the texts of the page by name, with those of the kinds of cells.
    """

    def __init__(self, language: str) -> None:
        """language: one of `languages`."""
        self.language = language
        kinds = _texts("kinds", language)
        self.page, self._report = kinds | _texts("page", language), kinds | _texts("report", language)
        self._said = _texts("said", language)

    def __call__(self, name: str, /, **values: object) -> str:
        """A text of reports with its values; the name itself where there is none, such as that of a model's label."""
        return self._report[name].format(**values) if name in self._report else name

    def number(self, value: float, digits: int) -> str:
        """A number with this many decimals."""
        return f"{value:.{digits}f}".replace(".", self.page["decimal"])

    def translated(self, english: str) -> str:
        """A notice or a reason in this language; as it is where the file doesn't have it."""
        if self.language == ENGLISH or english in self._said:
            return self._said.get(english, english)
        for pattern, name in _patterns():
            if found := pattern.fullmatch(english):
                values = {each: self.translated(value) for each, value in found.groupdict().items()}
                return self._said[name].format(**values)
        return english


@cache
def languages() -> tuple[str, ...]:
    """The codes of all languages; English is the first."""
    return tuple(_file()["languages"])


@cache
def words(language: str) -> Words:
    """The words of one of the `languages`."""
    return Words(language)


def accepted(header: str) -> Words:
    """The words that a browser likes best, by its header Accept-Language."""
    wishes = []
    for place, part in enumerate(header[:500].split(",")):
        name, _, quality = part.strip().lower().partition(";q=")
        try:
            wishes.append((-float(quality or 1), place, name.partition("-")[0]))
        except ValueError:
            continue
    return words(next((name for _, _, name in sorted(wishes) if name in languages()), ENGLISH))


@cache
def _file() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return held


def _texts(part: str, language: str) -> dict[str, str]:
    """The texts of a part of the file by name."""
    place = languages().index(language) - len(languages())
    return {name: [name, *texts][place] for name, texts in _file()[part].items()}


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """What recognises a finished text and its values, for each name with values."""
    names = [name for name in _file()["said"] if "{" in name]
    return [(re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(name))), name) for name in names]
