"""Are reports whole, right by the libraries made for their formats, and honest about what they are?"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from conftest import assert_fits, english_in
from fhir.resources.R4B.bundle import Bundle
from fontTools.ttLib import TTFont
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message

from edge.count import signing
from edge.count.journal import Journal
from edge.count.recorder import jpeg
from edge.count.records import ALL, NAMED, WHITE, CountedCell, Field, Run, Settings
from edge.count.report import FORMATS, hand_over, page, write
from edge.count.report.content import Content, content
from edge.count.report.observations import observations
from edge.count.report.text import text as terminal
from edge.count.review import Review
from edge.count.summary import summary
from edge.count.verdicts import VERDICTS, Verdict
from edge.count.words import languages
from edge.errors import UserError
from edge.simulator import drawing
from edge.unlike import _OTHERWISE

NAMES = ("lymphocyte", "monocyte", "neutrophil")
ODD = "Zoë Łuk & <b>Д</b> Ω|^~\\ 漢 😀"
Make = Callable[..., Journal]


@pytest.fixture(scope="module")
def crops() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {name: jpeg(drawing.picture(name, rng, 128, drawing.Look(red_cell=28)), 128, 80) for name in NAMES}


@pytest.fixture
def make(tmp_path: Path, crops: dict[str, bytes]) -> Iterator[Make]:
    """Makes a session of cells of which every fifth is doubtful. Its cell 1 is doubtful and its cell 2 a lymphocyte."""
    made: list[Journal] = []

    def session(cells: int = 20, **settings: object) -> Journal:
        about = Settings(**({"operator": ODD, "slide": "S-7", "note": ODD, "target": cells} | settings))  # type: ignore[arg-type]
        journal = Journal.create(tmp_path / f"{len(made)}.session", about)
        made.append(journal)
        run = Run("20261126T094908Z-5f3a1c9b02", 1.7e9, "=camera", "compact.tflite", "ab" * 32, "", "", 0.05, "1.0")
        with journal.writing():
            journal.begin(run)
            field = journal.add_field(Field(run.id, "=camera", 0, 1.7e9, 640, 480), None)
            for number in range(cells):
                name = "neutrophil" if number % 10 == 0 else "monocyte" if number % 7 == 0 else "lymphocyte"
                answer, reason = ("review", "close call") if number % 5 == 0 else (name, "")
                shares = {"lymphocyte": 0.75, "monocyte": 0.125, "other": 0.125}
                place = (field, number, 10.5, 20.0, (1, 2, 30, 40), 28.0)
                journal.add_cell(CountedCell(*place, answer, reason, shares, run=run.id), crops[name])
            journal.end(run.id, {"unlike": {"value": 0.0, "why": "", "moves": {}}})
        return journal

    yield session
    for journal in made:
        journal.close()


def judge(journal: Journal, reader: str = "Ada", kinds: tuple[str, ...] = ("lymphocyte",)) -> Journal:
    """A reader judges all that waits, with these verdicts in turn."""
    review = Review(journal, reader)
    for number, cell in enumerate(review.waiting()):
        review.judge([cell.id], Verdict(kinds[number % len(kinds)]))
    return journal


def text(journal: Journal, path: Path) -> str:
    write(journal, path)
    return path.read_bytes().decode()


def message(journal: Journal, path: Path) -> Message:
    """The HL7 message, checked by hl7apy against the standard's structure and data types."""
    found = text(journal, path)
    assert found.endswith("\r") and "\n" not in found
    parsed = parse_message(found, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    assert parsed.validate() and parsed.to_er7() == found.removesuffix("\r")
    return parsed


def results(parsed: Message) -> list[dict[str, str]]:
    found = parsed.oru_r01_patient_result.oru_r01_order_observation.oru_r01_observation
    return [
        {"code": each.obx.obx_3.to_er7(), "value": each.obx.obx_5.to_er7(), "status": each.obx.obx_11.to_er7()}
        for each in found
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_the_ending_chooses_the_format_and_nothing_is_overwritten(name: str, make: Make, tmp_path: Path) -> None:
    journal, path = make(), tmp_path / f"report{FORMATS[name][0]}"
    write(journal, path)
    starts = {"html": b"<!doctype html>", "pdf": b"%PDF-", "csv": b"cell,run", "json": b'{\n "schema"', "hl7": b"MSH|"}
    assert path.read_bytes().startswith(starts.get(name, b'{\n "resourceType"' if name == "fhir" else b"Sample_ID,"))
    with pytest.raises(UserError, match="overwrite nothing"):
        write(journal, path)
    assert not list(tmp_path.glob("*.part"))


def test_another_ending_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"one of the endings \.html"):
        write(make(), tmp_path / "report.docx")


@pytest.mark.parametrize(("ending", "library"), [(".html", "jinja2"), (".pdf", "reportlab.platypus")])
def test_a_missing_library_is_named(
    ending: str, library: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=r"pip install 'edge-classify\[count\]'"):
        write(make(), tmp_path / f"report{ending}")
    assert not list(tmp_path.glob("report*"))


def test_a_folder_gets_each_report_under_its_own_name(make: Make, tmp_path: Path) -> None:
    journal, folder = make(), tmp_path / "watched"
    folder.mkdir()
    first, second = (hand_over(journal, folder, "hl7") for _ in range(2))
    assert [first.name, second.name] == [f"{journal.id}-v1.hl7", f"{journal.id}-v1-2.hl7"]
    signing.sign(judge(journal), "Ada")
    signing.amend(journal, "Ada", "a mistake")
    third = hand_over(journal, folder, "fhir")
    assert third.name == f"{journal.id}-v2.fhir.json"
    assert sorted(folder.iterdir()) == sorted([first, second, third])
    with pytest.raises(UserError, match="is no folder"):
        hand_over(journal, tmp_path / "absent", "hl7")


def test_an_empty_session_has_every_report(make: Make, tmp_path: Path) -> None:
    journal = make(0, target=200)
    for ending, _ in FORMATS.values():
        write(journal, tmp_path / f"empty{ending}")
    Bundle.model_validate_json((tmp_path / "empty.fhir.json").read_text())


def test_html_asks_for_nothing_and_shows_every_doubtful_cell(make: Make, tmp_path: Path) -> None:
    journal = judge(make(30), kinds=("monocyte", "lymphocyte"))
    Review(journal, "Ada").judge([2], Verdict("other", "<i>smudge</i>"))
    found = text(journal, tmp_path / "report.html")
    assert "<script" not in found and "<link" not in found and "url(" not in found and "@import" not in found
    assert set(re.findall(r'(?:src|href)="(.{5})', found)) == {"data:"}
    assert "<b>Д</b>" not in found and "&lt;b&gt;Д&lt;/b&gt;" in found and "&lt;i&gt;smudge" in found
    shown = {int(number) for number in re.findall(r'alt="cell (\d+)"', found)}
    assert shown == {1, 2, 6, 11, 16, 21, 26}
    for part in ("not a medical device", "Ada: monocyte", "ab" * 32, "not signed", "0.05"):
        assert part in found


@pytest.mark.parametrize("language", ["fr", "es", "pt"])
def test_a_report_in_another_language_has_no_english(language: str, make: Make, tmp_path: Path) -> None:
    open_, signed = make(30, counted=WHITE, note="nota"), make(60, readers=2, read=ALL)
    open_.end("20261126T094908Z-5f3a1c9b02", {"unlike": {"value": 1.0, "why": _OTHERWISE, "moves": {}}})
    for kind in ("lymphocyte", "nucleated red cell", "unsure"):
        Review(open_, "Ada").judge([Review(open_, "Ada").waiting()[0].id], Verdict(kind))
    Review(open_, "Ada").judge([2], Verdict("monocyte"))
    judge(signed, "Ada"), judge(signed, "Bob", ("lymphocyte", "monocyte")), judge(signed, "Eve", ("monocyte",))
    for reason in ("a mistake", ""):
        signing.sign(signed, "Eve")
        if reason:
            signing.amend(signed, "Eve", reason)
    for number, journal in enumerate((open_, signed, make(0, blind=True))):
        said = []
        for name in ("en", language):
            path = tmp_path / f"{number}-{name}.html"
            write(journal, path, name)
            html = re.sub("(?s)<style>.*</style>", "", path.read_text())
            assert f'<html lang="{name}">' in html
            said.append({*re.findall(r">\s*([^<>]+?)\s*<", html), *re.findall('alt="(.+?)"', html)})
        english, other = said
        assert len(other) > 20 and not [each for each in other if english_in(each)]
        assert not [each for each in english & other if re.search("[a-z]{3} [a-z]{3}", each)]
        lines = terminal(summary(journal), language).splitlines()
        assert not [each for each in lines if english_in(each)]


def test_open_cells_come_first_where_the_gallery_is_cut(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make(30)
    Review(journal, "Ada").judge([1, 6, 11], Verdict("monocyte"))
    monkeypatch.setattr(page, "MOST_PICTURES", 4)
    found = page.page(content(journal))
    assert [each.number for each in found.pictures] == [16, 21, 26, 1]
    assert "2 more of these cells are not shown" in found.cut


def test_each_label_has_its_letter_and_white_on_its_colour_can_be_read() -> None:
    def luminance(colour: str) -> float:
        levels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert set(page.MARKS) == {*VERDICTS, ""}
    assert len({letter for letter, _ in page.MARKS.values()}) == len(page.MARKS)
    assert all(1.05 / (luminance(colour) + 0.05) >= 4.5 for _, colour in page.MARKS.values())


@pytest.mark.parametrize("language", languages())
def test_a_usual_session_is_one_page_of_pdf_and_a_larger_one_more(language: str, make: Make, tmp_path: Path) -> None:
    for cells, pages in ((200, {1}), (1500, {2, 3, 4, 5})):
        path = tmp_path / f"{cells}.pdf"
        write(judge(make(cells)), path, language)
        assert len(re.findall(rb"/Type\s*/Page\b", path.read_bytes())) in pages


def test_long_names_and_notes_fit_the_pdf(make: Make, tmp_path: Path) -> None:
    journal = make(operator="W" * 200, slide="Ж " * 100, note="漢" * 200, readers=2)
    for reader, kind in (("A" * 200, "other"), ("\N{GREEK SMALL LETTER OMEGA}" * 200, "basophil")):
        for cell in Review(journal, reader).waiting():
            Review(journal, reader).judge([cell.id], Verdict(kind, "note " * 100))
    write(journal, tmp_path / "long.pdf")
    write(journal, tmp_path / "long.html")


def test_the_fonts_have_all_words_and_the_scripts_of_names_and_are_small() -> None:
    folder = Path(str(files("edge.count.report"))) / "fonts"
    for font in folder.glob("*.ttf"):
        text = "éŁőşžДжіΩλ→←…×–„ßẞ€№" + (Path(str(files("edge.count"))) / "strings.json").read_text().replace("\n", "")
        assert {ord(character) for character in text} <= set(TTFont(font).getBestCmap())
    assert sum(file.stat().st_size for file in folder.iterdir()) < 300_000
    assert "Bitstream" in (folder / "LICENSE").read_text()


def test_csv_has_a_row_a_cell_that_no_spreadsheet_takes_for_a_formula(make: Make, tmp_path: Path) -> None:
    journal = judge(make(), reader="=Ada", kinds=("monocyte",))
    rows = list(csv.DictReader(text(journal, tmp_path / "report.csv").splitlines()))
    assert [row["cell"] for row in rows] == [str(number) for number in range(1, 21)]
    assert rows[0] | {"answer": "review", "verdict of =Ada": "monocyte", "label": "monocyte", "by": "'=Ada"} == rows[0]
    assert rows[1] | {"answer": "lymphocyte", "verdict of =Ada": "", "label": "lymphocyte", "by": ""} == rows[1]
    assert rows[0]["source"] == "'=camera" and rows[0]["p_lymphocyte"] == "0.75" and rows[0]["x"] == "10.5"


def test_json_fits_its_schema_and_says_what_the_summary_says(make: Make, tmp_path: Path) -> None:
    journal = make(readers=2)
    judge(journal, "Ada"), judge(journal, "Bob", ("lymphocyte", "monocyte")), judge(journal, "Eve", ("monocyte",))
    signing.sign(journal, "Eve")
    for number, each in enumerate((journal, make())):
        found = json.loads(text(each, tmp_path / f"{number}.json"))
        assert_fits(found, "session-report")
        about = content(each)
        assert found["counts"] == about.summary.counts and len(found["cells"]) == 20
        assert found["status"] == about.status == ("preliminary" if number else "final")
        assert sum(cell["label"] == "monocyte" for cell in found["cells"]) == about.summary.counts["monocyte"]
    with pytest.raises(jsonschema.ValidationError):
        assert_fits(found | {"schema": "another"}, "session-report")


def test_hl7_is_preliminary_then_final_then_a_correction(make: Make, tmp_path: Path) -> None:
    journal = make()
    open_ = message(journal, tmp_path / "open.hl7")
    assert {each["status"] for each in results(open_)} == {"P"}
    assert open_.msh.msh_18.to_er7() == "UNICODE UTF-8" and open_.msh.msh_12.to_er7() == "2.5.1"
    signing.sign(judge(journal), "Ada")
    assert {each["status"] for each in results(message(journal, tmp_path / "signed.hl7"))} == {"F"}
    signing.amend(journal, "Ada", "a mistake")
    Review(journal, "Ada").judge([2], Verdict("monocyte"))
    assert {each["status"] for each in results(message(journal, tmp_path / "amending.hl7"))} == {"P"}
    signing.sign(journal, "Ada")
    assert {each["status"] for each in results(message(journal, tmp_path / "amended.hl7"))} == {"C"}


def test_hl7_gives_the_counts_and_escapes_what_people_wrote(make: Make, tmp_path: Path) -> None:
    journal = judge(make(slide=ODD), reader="O^Neil|&~")
    parsed = message(journal, tmp_path / "report.hl7")
    found = {each["code"].split("^")[0]: each["value"] for each in results(parsed)}
    about = content(journal).summary
    assert found["LYM"] == str(about.counts["lymphocyte"]) and found["MON"] == str(about.counts["monocyte"])
    assert float(found["MON-PCT-NAMED"]) == round(100 * (about.shares["monocyte"].value or 0), 2)
    raw = (tmp_path / "report.hl7").read_bytes().decode()
    assert "OBR|1|Zoë Łuk \\T\\ <b>Д</b> Ω\\F\\\\S\\\\R\\\\E\\ 漢 😀|" in raw
    assert "|^O\\S\\Neil\\F\\\\T\\\\R\\|" in raw
    assert "\rPID|1||^^^^U||^^^^^^U\r" in raw  # no patient


def differential(make: Make) -> Journal:
    journal = make(counted=WHITE, read=ALL)
    return judge(journal, kinds=("lymphocyte", "monocyte", "neutrophil", "nucleated red cell"))


def loinc(about: Content) -> dict[str, str]:
    return {each.code: each.loinc[0] for each in observations(about) if each.loinc}


def test_loinc_s_codes_stand_only_for_a_differential_by_persons(make: Make, tmp_path: Path) -> None:
    whole = differential(make)
    assert loinc(content(whole)) == {
        "LYM-PCT": "737-7",
        "MON-PCT": "744-3",
        "NEU-PCT": "23761-0",
        "NRBC-PER-100": "18309-5",
    }
    assert "|24318-8^Manual Differential panel - Blood^LN^" in text(whole, tmp_path / "whole.hl7")
    for other in (make(counted=WHITE, read=ALL), judge(make(counted=WHITE)), judge(make(counted=NAMED, read=ALL))):
        assert not loinc(content(other))
    Review(whole, "Ada").judge([1], Verdict("unsure"))
    assert not loinc(content(whole))


def test_fhir_is_a_bundle_that_fhir_s_own_model_takes(make: Make, tmp_path: Path) -> None:
    """R4B is R4 with changes in other resources than these."""
    journal = differential(make)
    signing.sign(journal, "Ada")
    bundle = Bundle.model_validate_json(text(journal, tmp_path / "report.fhir.json"))
    report, *observed = [entry.resource for entry in bundle.entry]
    addresses = [entry.fullUrl for entry in bundle.entry]
    assert report.status == "final" and [each.reference for each in report.result] == addresses[1:]
    assert report.code.coding[0].code == "24318-8" and "not a medical device" in report.conclusion
    values = {each.code.coding[-1].code: each for each in observed}
    assert float(values["LYM"].valueQuantity.value) == content(journal).summary.counts["lymphocyte"]
    share = values["LYM-PCT"]
    assert share.code.coding[0].code == "737-7" and share.valueQuantity.code == "%"
    interval = share.component[0].valueRange
    assert interval.low.value < share.valueQuantity.value < interval.high.value
    again = json.loads(text(journal, tmp_path / "again.fhir.json"))
    assert [entry["fullUrl"] for entry in again["entry"]] == addresses


def test_a_broken_signature_is_not_final(make: Make, tmp_path: Path) -> None:
    journal = judge(make())
    signing.sign(journal, "Ada")
    journal._database.execute("DROP TRIGGER cells_stay")
    journal._database.execute("UPDATE cells SET answer = 'monocyte' WHERE id = 2")
    assert content(journal).status == "preliminary"
    assert "signature is broken" in text(journal, tmp_path / "broken.html")


def test_openelis_gets_no_empty_value_and_needs_the_accession_number(make: Make, tmp_path: Path) -> None:
    rows = list(csv.reader(text(judge(make()), tmp_path / "report.openelis.csv").splitlines()))
    assert rows[0] == ["Sample_ID", "Test_Code", "Result", "Interpretation", "Position", "Date", "Time", "Units"]
    assert all(value for row in rows for value in row) and {row[0] for row in rows[1:]} == {"S-7"}
    with pytest.raises(UserError, match="accession number"):
        write(make(slide=""), tmp_path / "other.openelis.csv")
    assert not list(tmp_path.glob("other*"))


def test_only_a_report_that_needs_them_imports_the_large_libraries() -> None:
    code = "import sys, edge.count.report; assert not {'jinja2', 'reportlab'} & set(sys.modules)"
    assert not subprocess.run([sys.executable, "-c", code], check=False).returncode
