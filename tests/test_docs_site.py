"""The documentation as a site, in Debian's Chromium."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs the browser: apt-get install chromium"),
    pytest.mark.slow,
]


def test_the_search_works_from_the_files_alone(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright, of the extra dev")
    build = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--quiet"]
    subprocess.run([*build, str(ROOT / "docs"), str(tmp_path / "site")], check=True)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{(tmp_path / 'site' / 'search.html').as_uri()}?q=platelet")
        page.locator("#search-results a").first.wait_for()
        assert "How it works" in page.inner_text("#search-results")
        assert all(url.startswith("file:") for url in asked)
        browser.close()
