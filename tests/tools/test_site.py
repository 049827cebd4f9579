"""The web site: whole, readable without pictures, and content with itself; then in a real browser."""
from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page holds: identifiers, links, what it loads, pictures without words, levels of headings, text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loads, self.wordless, self.headings = set(), [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes) -> None:
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in LOADED and found.get(LOADED[tag]) and found.get("rel") not in ("index", "search", "next", "prev"):
            self.loads.append(found[LOADED[tag]])
        if tag == "img" and not (found.get("alt") or "").strip():
            self.wordless.append(found.get("src"))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    for package in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(package, reason="the site needs the extra 'docs'")
    output = tmp_path_factory.mktemp("web") / "site"
    done = subprocess.run([sys.executable, "tools/site.py", "--output", str(output)], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return output


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    """Every page of the site but copies of source code."""
    return {path: Page(path) for path in site.rglob("*.html") if "_modules" not in path.parts}


def test_every_link_leads_to_a_page_and_a_place_in_it(site, pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            if not target.exists() or (known and parts.fragment and unquote(parts.fragment) not in known.ids):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken, broken[:20]


def test_nothing_is_loaded_from_elsewhere_and_all_is_there(site, pages):
    for path, page in pages.items():
        for address in page.loads:
            parts = urlsplit(address)
            assert not parts.netloc and parts.scheme in ("", "data"), f"{path.name} loads {address}"
            assert parts.scheme or (path.parent / unquote(parts.path)).exists(), f"{path.name} lacks {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\([\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_pictures_have_words_and_headings_are_in_order(site, pages):
    for path, page in pages.items():
        assert not page.wordless, f"{path.relative_to(site)}: {page.wordless[:3]}"
        jumps = [(a, b) for a, b in zip(page.headings, page.headings[1:]) if b > a + 1]
        assert page.headings[:1] == [1] and not jumps, f"{path.relative_to(site)}: {page.headings}"


def test_pages_are_light(site, pages):
    heavy = {path.name: path.stat().st_size for path in pages if path.stat().st_size > 1_500_000}
    assert not heavy


def test_every_public_name_is_in_the_reference_once(site, pages):
    import semdepth_lite

    places = [name for path, page in pages.items() if path.parent.name == "reference" for name in page.ids]
    for name, home in semdepth_lite._HOMES.items():
        assert name.isupper() or places.count(f"semdepth_lite.{home}.{name}") == 1, name


# In a browser

@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium under Playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is in the extra 'browser'")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(site) -> str:
    """Where the site is served, on loopback."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width, scheme", [(360, "light"), (360, "dark"), (1280, "light")])
def test_pages_fit_and_ask_no_other_host(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(urlsplit(request.url).hostname))
    page.on("pageerror", errors.append)
    for path in ("index", "notebooks/02_view_synthesis", "notebooks/glossary", "docs/results", "reference/method"):
        page.goto(f"{address}/{path}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than {width} pixels"
    assert set(asked) == {"127.0.0.1"} and not errors
    context.close()


def test_search_finds_the_ranking_loss_and_its_shapes(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/search.html?q=ranking_loss")
    page.wait_for_selector("#search-results li a")
    page.locator("#search-results li a", has_text="ranking_loss").first.click()
    assert "ranking_loss" in page.locator("article").inner_text()
    page.close()


def test_a_table_is_sorted_by_its_numbers(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/docs/results.html")
    table = page.locator("article table").first
    table.locator("th button").first.click()
    column = [float(text.split()[0]) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert column == sorted(column) and len(column) > 2
    page.close()
