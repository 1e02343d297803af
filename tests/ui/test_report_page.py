"""The report's page in a real browser: nothing is asked for, nothing is complained of, everything is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import browser
from unit.experiments.page.report_body import report_body

from kenshin.experiments.page import render_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

__all__ = ["browser"]

SIZES = {"desktop": (1100, 900), "phone": (380, 800)}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(render_page(report_body()))
    return path


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Page]:
    """The page, opened without a network; at the end nothing was asked for and nothing complained of."""
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
    )
    opened = context.new_page()
    asked, said = [], []
    opened.on("request", lambda one: asked.append(one.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(file.as_uri())
    yield opened
    assert asked == [file.as_uri()]
    assert said == []
    context.close()


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_chart_is_seen_once_and_nothing_is_wider_than_the_page(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == page.evaluate("window.innerWidth")
    boxes = [box for chart in page.locator("svg.chart").all() if (box := chart.bounding_box())]
    assert len(boxes) == page.locator("figure").count() == 5
    assert all(box["width"] > 300 and box["height"] > 90 for box in boxes)
    clip = (
        "el => [...el.querySelectorAll('[clip-path]')]"
        ".every(c => document.querySelector(c.getAttribute('clip-path').slice(4, -1)))"
    )
    assert all(chart.evaluate(clip) for chart in page.locator("svg.chart").all())


def test_charts_have_their_colours_and_letters_that_can_be_read(page: Page) -> None:
    colours = (
        "el => [...el.querySelectorAll('path, line, rect')]"
        ".map(x => getComputedStyle(x).fill + getComputedStyle(x).stroke)"
    )
    for chart in page.locator("svg.chart:visible").all():
        assert len(set(chart.evaluate(colours))) >= 3
        sizes = chart.evaluate(
            "el => [...el.querySelectorAll('text')].map(t => parseFloat(getComputedStyle(t).fontSize)"
            " * el.getBoundingClientRect().width / el.viewBox.baseVal.width)"
        )
        assert min(sizes) > 9


def test_words_stand_out_from_their_background(page: Page) -> None:
    card = page.locator(".verdict").evaluate("el => getComputedStyle(el).backgroundColor")
    for selector in (
        ".verdict h2",
        ".words",
        ".tiles dt",
        ".reading li",
        "figcaption",
        "tbody td",
        "thead th",
    ):
        ink = page.locator(selector).first.evaluate("el => getComputedStyle(el).color")
        darker, lighter = sorted((luminance(card), luminance(ink)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, selector


def test_the_page_does_not_move_once_it_is_there(page: Page) -> None:
    shifts = page.evaluate(
        """() => new Promise(done => {
            let sum = 0;
            new PerformanceObserver(list => list.getEntries().forEach(e => sum += e.value))
                .observe({type: "layout-shift", buffered: true});
            setTimeout(() => done(sum), 300);
        })"""
    )
    assert shifts == 0


def test_a_script_that_slipped_in_would_not_run_or_fetch(
    browser: Browser, file: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.html"
    evil = b"<script>document.title = 'run'</script><img src='http://127.0.0.1:9/x.png'></main>"
    broken.write_bytes(file.read_bytes().replace(b"</main>", evil))
    opened = browser.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.goto(broken.as_uri())
    assert opened.title() != "run"
    assert len([text for text in said if "Content Security Policy" in text]) == 2
    opened.close()
