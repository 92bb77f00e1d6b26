"""The page's words in each language, from one file."""

import json
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("strings.json")


@cache
def words() -> dict[str, dict[str, str]]:
    """By language, the first is the usual one, each text by its name."""
    held = json.loads(_FILE.read_text(encoding="utf-8"))
    languages = held.pop("languages")
    return {language: {name: texts[n] for name, texts in held.items()} for n, language in enumerate(languages)}


def language(accepted: str) -> str:
    """The language that a browser likes best, by its header Accept-Language, among those that the page has."""
    wishes = []
    for place, part in enumerate(accepted[:500].split(",")):
        name, _, quality = part.strip().lower().partition(";q=")
        try:
            wishes.append((-float(quality or 1), place, name.partition("-")[0]))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(wishes) if name in words()), next(iter(words())))
