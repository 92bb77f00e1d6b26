"""Does a person get from the Debian package to a signed count, by the tutorial, on an emulated Raspberry Pi?

`python -m pi.prove_tutorial dist/edge-classify_VERSION_arm64.deb [FOLDER]`. FOLDER keeps the system for later runs. The
package is installed in an arm64 Debian Bookworm on an emulated Pi 4. The tutorial's command counts the simulated
microscope's slide there, and its page is used in a real browser on this machine: start, judge, sign, download. Needs
the extra dev, and Debian's Chromium besides what emulates a Pi.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge.errors import exits_on_user_error
from pi.prove import PROJECT, ROOTS, Absent, Failed, Pi, need_tools, run_doctor, system_root
from pi.prove_deb import CORE, DPKG

SLIDE = "sim:dwell=6,move=2"  # the slide moves slowly, since an emulated Pi sees one frame a second or so


def command() -> str:
    """The command of the tutorial that begins a session, with a slide that an emulated Pi can follow."""
    found = re.search(r"^edge-count start .*$", (PROJECT / "docs" / "tutorial.md").read_text(), re.MULTILINE)
    if not found:
        raise Failed("The tutorial has no command that begins a session.")
    return found[0].replace("--camera sim ", f"--camera {SLIDE} ")


def prove(package: Path, roots: Path, report: Callable[[str], None]) -> None:
    """Follows the tutorial.

    Args:
        package: what `make deb` made for arm64.
        roots: folder in which the emulated system is kept for later runs.
        report: gets a line for each step that held.

    Raises:
        Absent: where no Pi can be emulated on this machine, or where it has no browser.
        Failed: where something is wrong.
    """
    need_tools()
    chromium = shutil.which("chromium")
    if not chromium:
        raise Absent("There is no browser on this machine: run `sudo apt-get install chromium`.")
    root = system_root("bookworm", roots.resolve(), "dpkg")
    pi, home = Pi(root, CORE, [package.resolve().parent]), root / "root"
    pi.run(f"{DPKG} --purge edge-classify || :; rm -f /root/*.session")
    began = time.monotonic()
    pi.run(f"{DPKG} --install {package.resolve()}")
    report(f"installed after {time.monotonic() - began:.0f} s; edge-doctor: {run_doctor(pi)}")
    line = [*pi.inside, "sh", "-c", f"exec {command()} > /root/lines"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr
        try:
            address = next((found[0] for said in process.stderr if (found := re.search(r"http://\S+", said))), "")
            if not address:
                raise Failed("The count doesn't begin.")
            report(f"the page is there after {time.monotonic() - began:.0f} s: {address.partition('#')[0]}")
            _in_the_browser(address, chromium, lambda step: report(f"{step} after {time.monotonic() - began:.0f} s"))
        finally:
            os.killpg(process.pid, signal.SIGTERM)
    if len(list(home.glob("*.session"))) != 1:
        raise Failed("The session isn't there.")
    pi.run(f"{DPKG} --purge edge-classify")


def _in_the_browser(address: str, chromium: str, report: Callable[[str], None]) -> None:
    from playwright.sync_api import sync_playwright

    sys.path.append(str(PROJECT / "docs"))
    import tutorial

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 880})
        page.set_default_timeout(tutorial.PATIENCE)
        page.goto(address)
        tutorial.live(page, Path(folder) / "live.jpg")
        report("counted")
        tutorial.review(page, Path(folder) / "review.jpg")
        report("judged")
        tutorial.report(page, Path(folder) / "report.jpg")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download PDF").click()
        if not Path(download.value.path()).read_bytes().startswith(b"%PDF"):
            raise Failed("The report isn't a PDF.")
        report("signed, and its report downloaded,")
        browser.close()


if __name__ == "__main__":
    place = Path(sys.argv[2]) if sys.argv[2:] else ROOTS
    exits_on_user_error(prove)(Path(sys.argv[1]), place, print)
