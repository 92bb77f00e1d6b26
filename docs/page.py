"""Takes docs/page.jpg: the review page with a session that was counted from the simulated microscope.

Run as `python docs/page.py`. Needs the extra dev and Debian's Chromium (`apt-get install chromium`).
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from edge.count.journal import Journal
from edge.page.server import Server

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "slide-7.session"
    count = ["start", str(file), "--camera", "sim:seed=3,every=1", "--target", "30", "--slide", "7"]
    subprocess.run([sys.executable, "-m", "edge.count.cli", *count], check=True)
    with Journal.open(file) as journal:
        key = journal.id
    with Server(file, "127.0.0.1:0") as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 880})
        page.goto(f"{server.address}s/{key}?reader=Ada Byron")
        page.wait_for_selector("#gallery [role=option]")
        for verdict in "112":
            page.keyboard.press(verdict)
            page.wait_for_timeout(500)
        page.wait_for_timeout(1500)
        page.screenshot(path=Path(__file__).with_suffix(".jpg"), type="jpeg", quality=82)
        browser.close()
