"""The report in a real browser: nothing fetched, nothing run, nothing wider than a phone, and readable in the dark."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_pages
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
PHONE, DESK = 390, 1280  # CSS pixels

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_pages.make(tmp_path_factory.getbasetemp() / "report-pages").page


def show(
    browser: webdriver.Chrome, page: Path, width: int = DESK, scheme: str = "light", media: str = "screen"
) -> None:
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.get(page.as_uri())


def asked(browser: webdriver.Chrome, script: str) -> Any:
    return browser.execute_script(f"return {script}")


def test_the_console_has_nothing_to_say(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    assert browser.get_log("browser") == []


def test_nothing_is_fetched_but_the_page(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    browser.get_log("performance")
    show(browser, page)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in sent
    assert {url for url in sent if not url.startswith("data:")} == {page.as_uri()}


def test_no_script_is_there_and_none_would_run(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    assert asked(browser, "document.scripts.length") == 0
    assert asked(browser, "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
                          ".filter(name => name.startsWith('on'))") == []  # fmt: skip
    # The page's own policy stops what a hole in the escaping would let in.
    browser.execute_script(
        "const hole = document.createElement('script'); hole.textContent = 'window.ran = 1'; document.body.append(hole)"
    )
    assert asked(browser, "window.ran === undefined")
    assert "Content Security Policy" in browser.get_log("browser")[-1]["message"]


@pytest.mark.parametrize("width", [320, PHONE, 768, DESK])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_never_wider_than_the_screen(
    browser: webdriver.Chrome, page: Path, width: int, scheme: str
) -> None:
    show(browser, page, width, scheme)
    assert asked(browser, "document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll'))"
    over = f"{wide}.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    assert asked(browser, over) == []


def test_every_figure_has_words(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    nameless = "[...document.querySelectorAll('img')].filter(e => !e.alt.trim()).length"
    assert asked(browser, nameless) == 0
    figures = asked(browser, "[...document.querySelectorAll('figure')].filter(e => e.querySelector('.drawing'))"
                             ".map(e => [e.querySelector('h3').textContent, e.querySelector('img').alt])")  # fmt: skip
    assert len(figures) >= 12
    assert all(alt.startswith(f"{title}. ") and len(alt) > len(title) + 5 for title, alt in figures)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    drawn = [node for node in tree if node["role"]["value"] in ("image", "img") and not node["ignored"]]
    assert len(drawn) >= len(figures) and all(node["name"]["value"] for node in drawn)


def test_the_balance_of_the_tasks_is_drawn(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    section = "[...document.querySelectorAll('[aria-labelledby=balance] .drawing')]"
    titles = asked(browser, f"{section}.map(e => e.alt)")
    assert [title.split()[0] for title in titles] == ["Cosine", "Norm", "Weight", "Weight"]
    assert min(asked(browser, f"{section}.map(e => e.getBoundingClientRect().height)")) > 100


def test_pictures_are_there(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    assert asked(browser, "document.images.length") > 0
    assert asked(browser, "[...document.images].every(e => e.complete && e.naturalWidth > 0)")


def test_ids_are_unique_and_every_link_leads_somewhere(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    ids = asked(browser, "[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    links = asked(browser, "[...document.querySelectorAll('a')].map(e => e.getAttribute('href').slice(1))")
    assert links and set(links) <= set(ids)


GROUND = "getComputedStyle(document.body).backgroundColor"


def brightness(browser: webdriver.Chrome, selector: str) -> tuple[float, float]:
    """Of an element's ground, and of what on it differs from its ground the most; 0 is black and 1 white."""
    picture = Image.open(io.BytesIO(browser.find_element(By.CSS_SELECTOR, selector).screenshot_as_png)).convert("L")
    shades = np.asarray(picture) / 255
    ground = float(np.median(shades))
    return ground, float(shades.flat[np.abs(shades - ground).argmax()])


def test_in_the_dark_page_and_figures_are_light_on_dark(browser: webdriver.Chrome, page: Path) -> None:
    for scheme, colour in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(21, 24, 28)")):
        show(browser, page, scheme=scheme)
        assert asked(browser, GROUND) == colour
        ground, letters = brightness(browser, "[aria-labelledby=curves] .drawing")
        assert (ground > 0.9 and letters < 0.4) if scheme == "light" else (ground < 0.1 and letters > 0.6)


def test_a_photograph_is_the_same_in_the_dark(browser: webdriver.Chrome, page: Path) -> None:
    for scheme in ("light", "dark"):
        show(browser, page, scheme=scheme)
        assert asked(browser, "getComputedStyle(document.querySelector('.mistakes img')).filter") == "none"


def test_paper_is_white_and_nothing_is_hidden_behind_a_scroll_bar(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, scheme="dark", media="print")
    assert asked(browser, GROUND) == "rgb(255, 255, 255)"
    assert asked(
        browser, "[...document.querySelectorAll('.scroll')].every(e => getComputedStyle(e).overflowX === 'visible')"
    )
    assert asked(
        browser, "[...document.querySelectorAll('.drawing')].every(e => getComputedStyle(e).filter === 'none')"
    )
