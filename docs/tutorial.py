"""Takes the pictures of the tutorial: a slide is counted from the simulated microscope, in a real browser.

Run as `python docs/tutorial.py` or, for another folder than docs, `python docs/tutorial.py FOLDER`. Needs the extra dev
and Debian's Chromium (`apt-get install chromium`).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

READER = "Ada Byron"
PATIENCE = 900_000  # milliseconds for each step; an emulated Pi is slow
COUNT = ["--camera", "sim", "--target", "30", "--slide", "7", "--operator", READER]


def live(page: Page, to: Path) -> None:
    """Starts the count, and waits for its target."""
    page.get_by_role("button", name="Start").click()
    page.get_by_label("Scale bar").check()
    page.wait_for_function(
        """() => document.querySelectorAll('#latest li').length > 11
            && document.querySelectorAll('#over g:first-child text').length > 1
            && [...document.querySelectorAll('#latest img')].every((each) => each.complete)""",
        timeout=PATIENCE,
    )
    photograph(page, to, after=0)  # the stage moves
    page.wait_for_function("() => document.getElementById('progress').position == 1", timeout=PATIENCE)


def review(page: Page, to: Path) -> None:
    """Judges the doubtful cells. A picture is taken after the first three."""
    page.get_by_role("link", name="Review").click()
    page.get_by_label("Your name").fill(READER)
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector("#gallery [role=option]")
    judged = 0
    while not page.inner_text("#waiting").startswith("0 "):
        page.keyboard.press(likeliest(page.inner_text("#facts")))
        page.wait_for_timeout(200)
        judged += 1
        if judged == 3:
            photograph(page, to)


def likeliest(facts: str) -> str:
    """The key for a cell by the program's percentages. The drawn cells of other kinds are neutrophils."""
    found = {name: re.search(rf"{name}\s+([\d.]+) %", facts) for name in ("lymphocyte", "monocyte", "other")}
    lymphocyte, monocyte, other = (float(each[1]) if each else 0.0 for each in found.values())
    return "3" if other > 95 else "1" if lymphocyte > monocyte else "2"


def report(page: Page, to: Path) -> None:
    """Signs the session and shows its report."""
    page.get_by_role("link", name="Report").click()
    page.get_by_role("button", name="Sign").click()
    page.get_by_text(f"Signed by {READER}").wait_for()
    page.wait_for_load_state("networkidle")
    photograph(page, to)


def photograph(page: Page, to: Path, after: int = 1500) -> None:
    """Takes a picture of the page. after: milliseconds in which it settles."""
    page.wait_for_timeout(after)
    page.screenshot(path=to, type="jpeg", quality=82)


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as work, sync_playwright() as driver:
        command = [sys.executable, "-u", "-m", "edge.count.cli", "start", str(Path(work) / "slide-7.session")]
        command += [*COUNT, "--page", "127.0.0.1:0", "--wait"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            try:
                address = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
                browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 880})
                page.goto(f"{address}live")
                live(page, folder / "tutorial-live.jpg")
                review(page, folder / "page.jpg")
                report(page, folder / "tutorial-report.jpg")
                browser.close()
            finally:
                process.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
