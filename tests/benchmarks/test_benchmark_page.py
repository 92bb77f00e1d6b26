"""The benchmark of the page, with a short measurement of its real parts."""

import shutil

import pytest

from benchmarks.live import page

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs the browser: apt-get install chromium")
def test_a_browser_sees_the_stream_and_its_end() -> None:
    pytest.importorskip("playwright.sync_api", reason="needs Playwright, of the extra dev")
    found = page.browser(3)
    assert found.pictures and 0 < found.p50 <= found.p95 and found.grey > 0


def test_what_people_who_look_on_cost() -> None:
    rates, cores = page.rate(3, 1)
    without = page.memory(1, page=False)
    assert all(rates[count][0] > 0 and cores[count][0] > 0 for count in page.VIEWERS)
    assert without["0"] > 50
    by_number = {str(count): values[0] for count, values in rates.items()}
    cost = page.CostFigures(by_number, by_number, by_number, by_number, without, without)
    text = page.table(page.PageFigures(page.AgeFigures(9, 60, 90, 50, 80, 0.2, 0.8), cost, 1.0))
    assert "60 ms old (median), 90 ms (p95)" in text and "MB more" in text
