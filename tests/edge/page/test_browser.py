"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT
from page_helpers import Client, fill, key_of, new_session, started

from edge.count.cli import main
from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.review import Review
from edge.count.verdicts import Verdict
from edge.frames import Frame
from edge.live.session import Session
from edge.locate import Locator
from edge.model import SHIPPED, Model
from edge.page.live import Live
from edge.page.server import Server
from edge.simulator import demo
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import parse
from edge.system.signals import Stop

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs the browser: apt-get install chromium"),
    pytest.mark.slow,
]
SIM = "sim:seed=3,width=480,height=360,red_cell=30,fps=15,white=5,faults=0,defocus=0"
VIEWPORTS = {"desktop": {"width": 1366, "height": 800}, "phone": {"width": 360, "height": 740}}
AXE = ROOT / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright, of the extra dev")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Any, path: str, viewport: str = "desktop", **options: Any) -> Any:
    page = browser.new_context(viewport=VIEWPORTS[viewport], has_touch=viewport == "phone", **options).new_page()
    page.set_default_timeout(15_000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
    page.goto(path, wait_until="domcontentloaded")
    return page


def waits(page: Any, text: str) -> None:
    page.wait_for_function("text => document.getElementById('waiting').textContent.startsWith(text)", arg=text)


def shown(page: Any) -> None:
    """Waits for a picture of the camera."""
    page.wait_for_function("() => document.getElementById('age').textContent")


def said(page: Any, text: str) -> None:
    page.wait_for_function("text => document.getElementById('said').textContent.includes(text)", arg=text)


@pytest.mark.parametrize("viewport", VIEWPORTS)
def test_two_readers_review_sign_and_download(browser: Any, tmp_path: Path, viewport: str) -> None:
    """A session of pictures is counted, and two readers correct it: by keys, or on a phone by touch."""
    pictures, file = tmp_path / "pictures", tmp_path / "slide.session"
    demo.draw(pictures)
    arguments = ["start", str(file), str(pictures), "--readers", "2", "--read", "all"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    with Journal.open(file) as journal:
        fill(journal, ["review"] * 8, run=journal.runs()[0].id)
        cells = len(outcome(journal).judged)
    with Server(file, "127.0.0.1:0") as server:
        page = opened(browser, server.address, viewport)
        for reader in ("Ada", "Grace"):
            page.goto(server.address)
            page.get_by_label("Your name").fill(reader)
            page.get_by_role("button", name="Begin").click()
            page.wait_for_selector("#gallery [role=option]")
            waits(page, f"{cells} ")
            if viewport == "phone":
                for left in range(cells - 1, -1, -1):
                    page.locator(".verdicts button").nth(1).tap()
                    waits(page, f"{left} ")
                page.get_by_role("button", name="Undo").tap()
                waits(page, "1 ")
                page.get_by_role("button", name="Redo").tap()
            else:
                for _ in range(10):
                    page.keyboard.press("2")
                waits(page, f"{cells - 10} ")
                for _ in range(3):
                    page.keyboard.press("Backspace")
                waits(page, f"{cells - 7} ")
                page.keyboard.press(" ")
                for _ in range(cells - 7):
                    page.keyboard.press("Shift+ArrowRight")  # many at once
                page.keyboard.press("2")
            waits(page, "0 ")
            if reader == "Ada":
                page.get_by_role("button", name="Add a missed cell").click()
                page.keyboard.press("ArrowRight")
                page.locator("[data-kind=basophil]").click()
                said(page, "Added")
                cells += 1
            assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS[viewport]["width"]
        page.goto(f"{server.address}s/{key_of(file)}?reader=Hedy")  # the readers differ about the added cell
        waits(page, "1 ")
        assert "Ada: basophil" in page.inner_text("#facts") and "Grace: monocyte" in page.inner_text("#facts")
        page.locator("[data-kind=basophil]").click()
        waits(page, "0 ")
        page.get_by_role("link", name="Report").click()
        page.get_by_role("button", name="Sign").click()
        page.get_by_text("Signed by Hedy").wait_for()
        for name, begins in (("PDF", b"%PDF"), ("JSON", b"{")):
            with page.expect_download() as download:
                page.get_by_role("link", name=f"Download {name}").click()
            assert Path(download.value.path()).read_bytes().startswith(begins)
        assert not page.faults
    with Journal.open(file, read_only=True) as journal:
        assert journal.signature() and list(journal.verdicts()) == ["Ada", "Grace", "Hedy"]
        assert [len(mine) for mine in journal.verdicts().values()] == [cells, cells, 1]


def test_filters_and_cells_that_look_alike(browser: Any, tmp_path: Path) -> None:
    with new_session(tmp_path) as journal:
        fill(journal, ["review"] * 6)
        file = Path(journal.path)
    with Server(file, "127.0.0.1:0") as server:
        page = opened(browser, f"{server.address}s/{key_of(file)}?reader=Ada")
        waits(page, "6 ")
        page.keyboard.press("1")
        page.keyboard.press("2")
        waits(page, "4 ")
        page.wait_for_function("() => document.querySelectorAll('#alike img').length === 2")
        assert sorted(page.locator("#alike .mark").all_inner_texts()) == ["L", "M"]

        tiles = "n => document.querySelectorAll('#gallery [role=option][id]').length === n"
        for who, count in (("=", 2), ("!", 4), ("*", 6)):
            page.select_option("#by", who)
            page.wait_for_function(tiles, arg=count)
        with page.expect_response(lambda answer: answer.url.endswith("/focus")) as answer:
            page.select_option("#focus", "blurred")
        page.wait_for_function(tiles, arg=list(answer.value.json().values()).count("blurred"))
        assert not page.faults


def test_a_field_whose_picture_was_not_kept_says_so(browser: Any, tmp_path: Path) -> None:
    pictures, file = tmp_path / "pictures", tmp_path / "slide.session"
    demo.draw(pictures)
    arguments = ["start", str(file), str(pictures), "--read", "all", "--keep", "1"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    with Journal.open(file) as journal:
        cells = {cell.field: cell.id for cell in journal.cells()}
        kept = {field: journal.field_picture(field) is not None for field in cells}
    assert set(kept.values()) == {True, False}
    with Server(file, "127.0.0.1:0") as server:
        page = opened(browser, f"{server.address}s/{key_of(file)}?reader=Ada")
        page.wait_for_selector("#gallery [role=option][id]")
        for field, cell in cells.items():
            page.locator(f"#cell-{cell}").click()
            page.wait_for_function(
                "([field, kept]) => { const [image, boxes, missing] = document.getElementById('field').children;"
                " const here = (image.getAttribute('src') ?? '').endsWith(`/${field}.jpg`);"
                " return here && missing.hidden === kept && boxes.childElementCount > 0 === kept; }",
                arg=[field, kept[field]],
            )


def test_the_token_in_the_address_signs_in(browser: Any, tmp_path: Path) -> None:
    with new_session(tmp_path) as journal:
        fill(journal, ["lymphocyte"])
    with Server(tmp_path, "0.0.0.0:0") as server:
        page = opened(browser, f"http://127.0.0.1:{server.port}/", locale="pt-BR")
        page.get_by_role("button", name="Entrar").wait_for()
        page.goto(f"http://127.0.0.1:{server.port}/sign-in#{server.address.partition('#')[2]}")
        page.get_by_role("link", name="slide").click()
        page.get_by_role("button", name="Começar").click()
        page.wait_for_selector("#cell-1")
        assert not page.faults


def test_ten_thousand_cells_load_only_what_is_in_view(browser: Any, tmp_path: Path) -> None:
    with new_session(tmp_path, target=10_000) as journal:
        with journal.changing():
            fill(journal, ["review"] * 40 + ["lymphocyte"] * 9_960)
        file = Path(journal.path)
    with Server(file, "127.0.0.1:0") as server:
        page, crops = opened(browser, "about:blank"), []
        page.on("request", lambda request: crops.append(request.url) if "/crops/" in request.url else None)
        page.goto(f"{server.address}s/{key_of(file)}?reader=Ada")
        waits(page, "40 ")
        assert page.locator("#gallery [role=option]").count() < 150 and len(crops) < 150
        page.keyboard.press("End")
        page.wait_for_selector("#cell-10000.current")
        assert len(crops) < 300


def test_the_count_grows_in_the_browser_though_others_never_read(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "sim.session"
    process, port = started("start", file, "--camera", SIM, "--target", 500, "--page", "127.0.0.1:0", "--wait")
    try:
        client = Client(port)
        silent = [client.silent("/live/picture") for _ in range(9)]
        page = opened(browser, f"http://127.0.0.1:{port}/live")
        shown(page)
        page.get_by_role("button", name="Start").click()
        page.wait_for_function("() => document.querySelectorAll('#latest li').length > 2", timeout=30_000)
        page.get_by_label("Scale bar").check()
        page.get_by_text("a red cell is taken to be 7.5 µm wide").wait_for()
        assert page.text_content("#over .scale text").endswith(" µm")
        page.get_by_role("button", name="Brighter").click()
        page.get_by_text("12500", exact=True).wait_for()
        before = client.get("/live/state").json["cells"]
        latest = f"Cell {before + 2}"
        page.get_by_alt_text(latest, exact=True).wait_for(timeout=30_000)
        process.send_signal(signal.SIGSTOP)  # as if the Pi had lost its power
        page.get_by_text("The program can't be reached.").wait_for(timeout=1500)
        assert page.locator("#view.stale").count()
        process.send_signal(signal.SIGCONT)
        page.wait_for_selector("#view:not(.stale)")
        page.get_by_role("button", name="Pause").click()
        page.get_by_text("Paused").wait_for()
        page.get_by_role("button", name="Go on").click()
        page.on("dialog", lambda dialog: dialog.accept())
        for _ in range(2):
            page.get_by_role("button", name="Finish the count").click()
            page.get_by_text("The count has ended.").wait_for(timeout=30_000)
            page.get_by_role("button", name="Go on counting").click()
            page.wait_for_selector("#view:not(.stale)")
        assert len(silent) == 9 and not page.faults
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
    with Journal.open(file, read_only=True) as journal:
        assert journal.count() >= before and len(journal.runs()) == 3


def test_a_camera_that_sends_nothing_is_told_within_a_second(browser: Any, tmp_path: Path) -> None:
    with new_session(tmp_path) as journal:
        fill(journal, ["lymphocyte"])
    camera = SimulatedCamera(parse("every=1", None, None), paced=False).open()
    session, stop = Session(Model(SHIPPED), Locator()), Stop()
    live = Live(stop)

    def frames(count: int) -> None:
        for number in range(count):
            camera.grab()
            frame = Frame(camera.retrieve(), "sim", number, number / 30, time.monotonic())
            session.step(frame)
            live.look(frame, session, SimpleNamespace(exposure=None, live=True), ["10 frames a second"])  # type: ignore[arg-type]
            time.sleep(0.1)

    with Server(tmp_path / "slide.session", "127.0.0.1:0", live) as server:
        frames(1)
        page = opened(browser, server.address)
        page.wait_for_selector("#doing:not(:empty)")
        while not page.inner_text("#age"):
            frames(1)
        page.wait_for_selector("#view.stale", timeout=1500)
        page.get_by_text("No new picture: is the camera connected?").wait_for(timeout=1000)
        for _ in range(100):
            if not page.locator("#view.stale").count():
                break
            frames(1)
        else:
            raise AssertionError("The picture stays grey.")
        live.over = True
        page.get_by_text("The count has ended.").wait_for()
        assert not page.faults


def test_a_look_without_a_session(browser: Any) -> None:
    process, port = started("--camera", SIM, "--page", "127.0.0.1:0", module="edge")
    try:
        page = opened(browser, f"http://127.0.0.1:{port}/")
        shown(page)
        page.wait_for_selector("#counts .mark", timeout=30_000)
        assert page.locator("nav a").all_inner_texts() == ["Live", "This machine"]
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Even out the light").click()
        page.get_by_text("The spot isn't empty").wait_for()
        page.get_by_role("button", name="Finish the count").click()
        assert process.wait(20) == 0 and not page.faults
    finally:
        process.kill()


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: make axe, with npm")
@pytest.mark.parametrize("viewport", VIEWPORTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, tmp_path: Path, viewport: str, scheme: str) -> None:
    with new_session(tmp_path) as journal:
        fill(journal, ["lymphocyte", "review", "monocyte"])
        Review(journal, "Ada").judge([3], Verdict("monocyte"))
        key, file = journal.id, Path(journal.path)
    paths = (f"s/{key}", f"s/{key}?reader=Ada", f"s/{key}/report", "sign-in", "doctor", "nothing")
    with Server(tmp_path, "127.0.0.1:0") as many, Server(file, "127.0.0.1:0", Live(Stop())) as one:
        for address in (many.address, f"{one.address}live", *(f"{many.address}{path}" for path in paths)):
            page = opened(browser, address, viewport, color_scheme=scheme)
            page.wait_for_timeout(400)
            page.evaluate(AXE.read_text())
            found = page.evaluate("axe.run(document, {iframes: false}).then(found => found.violations)")
            assert not found, json.dumps(found, indent=1)[:3000]
