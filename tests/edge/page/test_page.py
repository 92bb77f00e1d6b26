"""What the page shows of a session, and to whom."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner
from page_helpers import Client, fill, key_of, new_session, started

from edge.cli import main as classify
from edge.count.cli import main as counting
from edge.count.journal import Journal
from edge.count.outcome import must_judge, outcome
from edge.count.report import FORMATS
from edge.count.verdicts import Verdict
from edge.page.server import Server

ANSWERS = ["lymphocyte", "review", "monocyte", "review", "other"]


@contextmanager
def served(folder: Path, answers: list[str], **settings: object) -> Iterator[tuple[Client, str, Path]]:
    """A session with these answers of the machine, and its page."""
    with new_session(folder, **settings) as journal:
        fill(journal, answers)
    file = folder / "slide.session"
    with Server(file, "127.0.0.1:0") as server:
        yield Client(server.port), f"/s/{key_of(file)}", file


def test_cells_come_in_the_order_in_which_to_look_at_them(tmp_path: Path) -> None:
    with served(tmp_path, ANSWERS) as (client, here, file):
        cells = client.get(f"{here}/cells?reader=Ada").json["cells"]
        with Journal.open(file, read_only=True) as journal:
            waiting = [cell.id for cell in must_judge(outcome(journal), "Ada")]
    assert [cell["id"] for cell in cells if cell["must"]] == [cell["id"] for cell in cells][:2] == waiting
    assert [cell["answer"] for cell in cells[2:]] == ["lymphocyte", "monocyte", "other"]
    assert cells[0]["why"] == "close call" and cells[0]["shares"]["lymphocyte"] == 0.6


def test_verdicts_undo_redo_add_and_sign(tmp_path: Path) -> None:
    with served(tmp_path, ANSWERS) as (client, here, file):

        def change(what: str, **values: object) -> dict:
            answer = client.post(f"{here}/{what}", {"reader": "Ada", **values})
            assert answer.status == 200, answer.body
            return answer.json

        assert change("judge", cells=[2, 4], kind="monocyte")["mine"] == {"2": ["monocyte", ""], "4": ["monocyte", ""]}
        assert change("judge", cells=[2], kind="other", note="plasma cell")["mine"] == {"2": ["other", "plasma cell"]}
        assert change("undo")["mine"] == {"2": ["monocyte", ""]}
        assert change("undo")["mine"] == {"2": None, "4": None}
        refused = client.post(f"{here}/sign", {"reader": "Ada"})
        assert refused.status == 400 and "2 cells of it wait" in refused.json["error"]
        assert change("redo")["mine"] == {"2": ["monocyte", ""], "4": ["monocyte", ""]}
        assert change("add", field=1, x=200, y=300, kind="basophil")["added"] == 6
        assert change("sign")["signed"] == "Ada"
        after = client.post(f"{here}/judge", {"reader": "Ada", "cells": [1], "kind": "other"})
        assert after.status == 400 and "is signed by Ada" in after.json["error"]
        with Journal.open(file, read_only=True) as journal:
            assert journal.verdicts()["Ada"] == {
                2: Verdict("monocyte"),
                4: Verdict("monocyte"),
                6: Verdict("basophil"),
            }
        assert b"Signed by Ada" in client.get(f"{here}/report").body


def test_the_report_offers_to_learn_from_enough_verdicts(tmp_path: Path) -> None:
    with served(tmp_path, ["review"] * 10 + ["monocyte"] * 20) as (client, here, file):
        offered = f"<code>edge-site adapt --from {file.name} --out my-site.json</code>".encode()

        def judge(numbers: range, kind: str) -> bool:
            client.post(f"{here}/judge", {"reader": "Ada", "cells": list(numbers), "kind": kind})
            return offered in client.get(f"{here}/report").body

        assert not judge(range(1, 11), "lymphocyte")  # what only the program answered doesn't count
        assert not judge(range(11, 20), "monocyte")
        assert judge(range(20, 21), "monocyte")


def test_a_blind_reader_gets_nothing_of_the_program(tmp_path: Path) -> None:
    with served(tmp_path, ANSWERS, blind=True) as (client, here, _):
        text = client.get(f"{here}/cells?reader=Ada").body + client.get(f"{here}?reader=Ada").body
        cells = json.loads(text[: text.index(b"<!doctype")])["cells"]
        assert [cell["id"] for cell in cells] == [1, 2, 3, 4, 5]
        assert {name for cell in cells for name in cell} == {"id", "field", "box", "must", "mine"}
        for name in FORMATS:
            assert client.get(f"{here}/report.{name}").status == 400
        assert b"iframe" not in client.get(f"{here}/report").body
        client.post(f"{here}/judge", {"reader": "Ada", "cells": [1, 2, 3, 4, 5], "kind": "monocyte"})
        assert client.get(f"{here}/report.json").status == 200


def test_readers_dont_see_each_other_until_the_third_decides(tmp_path: Path) -> None:
    with served(tmp_path, ["review", "review", "lymphocyte"], readers=2) as (client, here, _):

        def cells(reader: str) -> dict[int, dict]:
            return {cell["id"]: cell for cell in client.get(f"{here}/cells?reader={reader}").json["cells"]}

        client.post(f"{here}/judge", {"reader": "Ada", "cells": [1, 2], "kind": "monocyte"})
        for reader in ("Grace", "Hedy", ""):
            assert all("others" not in cell and cell["mine"] is None for cell in cells(reader).values())
        assert client.get(f"{here}/report.json").status == 400
        client.post(f"{here}/judge", {"reader": "Grace", "cells": [1], "kind": "monocyte"})
        assert all(not cell.get("others") for cell in cells("Hedy").values() if cell["id"] == 2)
        client.post(f"{here}/judge", {"reader": "Grace", "cells": [2], "kind": "other"})
        assert "others" not in cells("Ada")[2]
        assert cells("Hedy")[2]["others"] == {"Ada": ["monocyte", ""], "Grace": ["other", ""]}
        assert [id for id, cell in cells("Hedy").items() if cell["must"]] == [2]
        assert client.get(f"{here}/report.json").status == 200


def test_cells_that_look_alike_are_those_that_the_reader_may_know(tmp_path: Path) -> None:
    with served(tmp_path, ["review"] * 5, blind=True) as (client, here, _):
        assert client.get(f"{here}/alike/1?reader=Ada").json == {"alike": []}
        client.post(f"{here}/judge", {"reader": "Ada", "cells": [1, 2, 3], "kind": "monocyte"})
        found = client.get(f"{here}/alike/1?reader=Ada").json["alike"]
        assert sorted(found) == [[2, "monocyte"], [3, "monocyte"]]
        assert client.get(f"{here}/alike/1?reader=Grace").json == {"alike": []}
        client.post(f"{here}/judge", {"reader": "Ada", "cells": [4, 5], "kind": "other"})
        assert len(client.get(f"{here}/alike/1?reader=Grace").json["alike"]) == 4, "the only reader is done"
        assert client.get(f"{here}/alike/99?reader=Ada").status == 400
        assert client.get(f"{here}/focus").json.keys() == {"1", "2", "3", "4", "5"}


def test_downloads_in_all_formats(tmp_path: Path) -> None:
    begins = {"pdf": b"%PDF", "html": b"<!doctype html>", "hl7": b"MSH|", "json": b"{", "fhir": b"{"}
    with served(tmp_path, ["lymphocyte", "monocyte"]) as (client, here, file):
        for name, (ending, _) in FORMATS.items():
            answer = client.get(f"{here}/report.{name}?download")
            assert answer.status == 200 and answer.body.startswith(begins.get(name, b"")), name
            assert answer.headers["content-disposition"] == f'attachment; filename="{key_of(file)}-v1{ending}"'


def test_a_report_is_in_the_language_of_the_page(tmp_path: Path) -> None:
    with served(tmp_path, ["review", "lymphocyte"]) as (client, here, _):
        french = {"Accept-Language": "fr-CA,fr;q=0.9,en;q=0.5"}
        said = {
            "fr": ("1 cellule attend une personne", "Seulement"),
            "en": ("1 cell of it waits", "Only 1"),
        }
        for language, (refused, notice) in said.items():
            headers = french if language == "fr" else {}
            page, report = (client.get(f"{here}/{name}", **headers).body.decode() for name in ("report", "report.html"))
            assert f'<html lang="{language}">' in page and refused in page
            assert f'<html lang="{language}">' in report and notice in report
        assert client.get(f"{here}/report.csv", **french).body == client.get(f"{here}/report.csv").body
        assert client.get(f"{here}/cells?reader=Ada", **french).json["cells"][0]["why"] == "cas limite"


def test_the_support_file_names_no_folder(tmp_path: Path) -> None:
    with served(tmp_path, ["lymphocyte"]) as (client, _, _file):
        assert str(tmp_path) in client.get("/doctor").body.decode()
        support = client.get("/doctor.json")
        assert {"python", "disk"} <= {each["name"].lower() for each in support.json["findings"]}
        assert str(tmp_path) not in support.body.decode() and str(Path.home()) not in support.body.decode()


def test_a_folder_is_a_list_and_a_copy_has_a_key_of_its_own(tmp_path: Path) -> None:
    with new_session(tmp_path, slide="<b>7</b>") as journal:
        fill(journal, ANSWERS)
        journal.copy(tmp_path / "copy.session")
    (tmp_path / "broken.session").write_text("no session")
    key = key_of(tmp_path / "copy.session")
    with Server(tmp_path, "127.0.0.1:0") as server:
        client = Client(server.port)
        page = client.get("/").body.decode()
        assert "&lt;b&gt;7&lt;/b&gt;" in page and "<b>7" not in page
        assert f'href="/s/{key}"' in page and f'href="/s/{key}~2"' in page and "broken.session" in page
        client.post(f"/s/{key}~2/judge", {"reader": "Ada", "cells": [2], "kind": "other"})
        assert client.get("/s/..%2fslide").status == client.get("/s/slide").status == 404
    with Journal.open(tmp_path / "slide.session", read_only=True) as journal:
        assert journal.said_of(2) == {"Ada": Verdict("other")}  # the second by name
    with Journal.open(tmp_path / "copy.session", read_only=True) as journal:
        assert not journal.said_of(2)


def test_what_was_shown_as_saved_outlives_the_server(tmp_path: Path) -> None:
    with new_session(tmp_path) as journal:
        fill(journal, ["review"] * 5)
    file = tmp_path / "slide.session"
    process, port = started("page", file, "--host-port", "127.0.0.1:0")
    try:
        client, saved = Client(port), {}
        for cell, kind in enumerate(("monocyte", "other", "unsure"), 1):
            client.post(f"/s/{key_of(file)}/judge", {"reader": "Ada", "cells": [cell], "kind": kind})
            saved[cell] = Verdict(kind)
    finally:
        process.kill()
        process.wait()
    with Journal.open(file) as journal:
        assert journal.verdicts()["Ada"] == saved


def test_options_of_the_page_need_a_camera(tmp_path: Path) -> None:
    session = str(tmp_path / "slide.session")
    for command, arguments in (
        (counting, ["start", session, "--camera", "sim", "--wait"]),
        (counting, ["start", session, str(tmp_path), "--page", "--wait"]),
        (classify, [str(tmp_path), "--page"]),
    ):
        found = CliRunner().invoke(command, arguments)
        assert found.exit_code == 2 and "--camera" in found.output and not (tmp_path / "slide.session").exists()
