"""The words of the page and of reports: is each there in each language, with the same values?"""

import re
from pathlib import Path

import pytest
from conftest import english_in

import edge.page
from edge.count import summary
from edge.count.cli import report
from edge.count.words import _file, accepted, languages, words
from edge.decide import NO_ANSWER, _against_name, _against_other, _perhaps, _resembles, without_numbers
from edge.field.wide import too_small
from edge.locate import _RED
from edge.model import SHIPPED, Model
from edge.unlike import _LESS, _MORE, _OTHERWISE

OTHERS = ("fr", "es", "pt")
PARTS = ("kinds", "page", "report", "said")


def values(text: str) -> list[str]:
    return sorted(re.findall(r"{(\w*)}", text))


@pytest.mark.parametrize("part", PARTS)
def test_each_text_is_there_in_each_language_with_the_same_values(part: str) -> None:
    assert languages() == ("en", *OTHERS) and set(_file()) == {"languages", *PARTS}
    for name, texts in _file()[part].items():
        english, *others = texts if len(texts) == 4 else [name, *texts]
        assert len(others) == 3 and english and all(others), name
        assert all(values(each) == values(english) for each in others), name
        assert not any(re.search(r"(?<=\w)[:;?!]", each) for each in others[:1]), f"{name}: French has a space there"


def test_the_page_takes_its_colons_from_the_words() -> None:
    room = Path(edge.page.__file__).parent
    files = [*room.rglob("*.html"), *room.rglob("*.js")]
    assert files and not [file.name for file in files if re.search(r"}: ", file.read_text(encoding="utf-8"))]


def test_the_command_has_all_languages() -> None:
    (option,) = (each for each in report.params if each.name == "language")
    assert tuple(option.type.choices) == languages()  # type: ignore[attr-defined]


def test_the_browser_chooses() -> None:
    assert words("fr").page["undo"] == "Annuler"
    assert accepted("fr-CH, en;q=0.8").language == "fr" and accepted("en;q=0.5,pt-BR").language == "pt"
    assert {accepted(each).language for each in ("", "ja, *", ";q=,=;q=x")} == {"en"}


def test_a_model_s_own_label_stays() -> None:
    assert words("fr")("a {label}") == "a {label}" and words("fr")("other") == "autre"


def reasons() -> list[str]:
    """All reasons that an answer may have, with those without figures by which the page filters."""
    model = Model(SHIPPED)
    rules = model.rules(0.01)
    like = [each for each in map(_resembles, model.kinds[len(rules.labels) - 1 :]) if each]
    far = rules.max_distance + 1
    found = [*like, *(_perhaps(0.62, each) for each in (*like, ""))]
    found += [NO_ANSWER, _RED, too_small(5.2), "cut by the border", "out of focus", "too bright", "too dark"]
    found += [_against_other(1.0, 1.0, far, "", rules), _against_other(1.0, 0.0, 0.0, "", rules)]
    found += [_against_name([0.55, 0.45], 0.0, far, "", rules), _against_name([0.55, 0.45], 0.0, 0.0, "", rules)]
    assert all(found)
    found += [f"{each}, perhaps counted before" for each in found] + ["perhaps counted before"]
    return [*found, *map(without_numbers, found)]


def notices() -> list[str]:
    unlike = [*filter(None, (*_LESS.values(), *_MORE.values())), _OTHERWISE]
    said = [f"The pictures were unlike those of the training: {why}." for why in unlike]
    return [*said, summary.SHARES_ONLY, summary.NOT_A_DEVICE]


@pytest.mark.parametrize("language", OTHERS)
def test_what_the_program_says_in_english_is_translated_whole(language: str) -> None:
    translated = words(language).translated
    for english in (*reasons(), *notices()):
        found = translated(english)
        assert found != english and not english_in(found), english
        assert re.findall(r"\d+", found) == re.findall(r"\d+", english)
    assert translated("Ada's own words") == "Ada's own words"
    assert words("en").translated("close call 55:45") == "close call 55:45"
