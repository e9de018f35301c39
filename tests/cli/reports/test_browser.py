"""The pages in a browser, on a phone, a desktop and paper: nothing is cut or scrolls sideways, all can read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from cli.reports.curation import page as curation
from cli.reports.readout.data import read_readout
from cli.reports.readout.page import write_readout
from cli.reports.table10 import page as table10
from infra.lake import Lake
from infra.settings import Settings
from tests.cli.reports.test_curation_page import constraint, filled
from tests.cli.reports.test_readout_page import experiment
from tests.conftest import put

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

__all__ = ["filled"]

LONG = "a level whose name is much longer than any label of a chart has room for on a phone"
PHONE, DESKTOP, SHEET = 390, 1280, 720

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SCROLLED_INSIDE = """[...document.querySelectorAll('.scroll')].filter((card) => card.scrollWidth > card.clientWidth + 1)
  .map((card) => card.getAttribute('aria-label'))"""
CUT = """[...document.querySelectorAll('.plot text')].filter((text) => {
  const [own, plot] = [text, text.closest('.plot')].map((element) => element.getBoundingClientRect());
  return own.width && (own.left < plot.left - 1 || own.right > plot.right + 1);
}).map((text) => text.textContent)"""
TOO_WIDE = f"""[...document.querySelectorAll('main *')].filter((element) =>
  element.getBoundingClientRect().right > {SHEET} + 1).map((element) => element.outerHTML.slice(0, 80))"""
DRAWN = (
    "document.querySelectorAll('.plot.js-plotly-plot').length === document.querySelectorAll('.plot').length"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as engine:
        started = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser: Browser, path: Path) -> Page:
    """The page, drawn, without a network: it must ask for nothing, and its console must have nothing to say."""
    page = browser.new_context(viewport={"width": PHONE, "height": 844}, offline=True).new_page()
    page.on("console", lambda message: pytest.fail(f"the console says: {message.text}"))
    page.on("request", lambda asked: None if asked.url == path.as_uri() else pytest.fail(asked.url))
    page.goto(path.as_uri())
    page.wait_for_function(DRAWN)
    return page


def check(page: Page) -> None:
    """What holds for every page."""
    if page.locator("details:not([open])").count():
        section = page.locator("details:not([open])").first.element_handle()
        section.query_selector("summary").focus()  # type: ignore[union-attr]
        page.keyboard.press("Enter")
        assert section.get_attribute("open") is not None
    page.evaluate("document.querySelectorAll('details').forEach((section) => (section.open = true))")
    for width in (PHONE, DESKTOP):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_timeout(300)
        assert page.evaluate(SIDEWAYS) == 0
        assert page.evaluate(SCROLLED_INSIDE) == []
        assert page.evaluate(CUT) == []
    found = Axe().run(page).response
    assert found["passes"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
    page.evaluate("document.querySelectorAll('details').forEach((section) => (section.open = false))")
    page.set_viewport_size({"width": SHEET, "height": 844})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(300)
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate(TOO_WIDE) == []
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_the_curation_report(browser: Browser, filled: Lake, settings: Settings, tmp_path: Path) -> None:
    put(
        filled,
        "curation.outcomes",
        [{"turn_id": "t99", "outcome": "in_review", "reason": LONG}],
    )
    put(filled, "curation.constraints", [constraint("jtbd", LONG, "target", 1.0, 9, 5, 1, 0)])
    check(opened(browser, curation.render(settings, tmp_path / "index.html")))


def test_the_readout(browser: Browser, lake: Lake, tmp_path: Path) -> None:
    # With more than three arms, sections begin closed and tables are long.
    arms = ["control", "a-variant-with-a-name-of-more-than-forty-characters", "V3", "V4", "V5"]
    experiment(lake, {arm: 0.02 * place for place, arm in enumerate(arms)}, users=100)
    check(opened(browser, write_readout(read_readout(lake, "exp-1"), tmp_path / "exp-1.html")))


def test_table_10(browser: Browser, tmp_path: Path) -> None:
    check(opened(browser, table10.render(tmp_path / "table10.html")))
