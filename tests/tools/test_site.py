"""The built web site: whole, readable without pictures, and content with itself; then in a real browser."""
from __future__ import annotations

import ast
import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

import semdepth_lite
from semdepth_lite.course.glossary import PAPERS, TERMS
from tools.web import glossary, lessons, names, reference

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [path.stem for path in lessons.lesson_files()]
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]


class Page(HTMLParser):
    """What a page holds: identifiers, links, what it loads, its pictures, levels of headings, and words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loads, self.pictures, self.headings, self.words = [], [], [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes) -> None:
        found = dict(attributes)
        self.ids += {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in LOADED and found.get(LOADED[tag]) and found.get("rel") not in ("index", "search", "next", "prev"):
            self.loads.append((found[LOADED[tag]], found))
        if tag == "img":
            self.pictures.append(found)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    for package in ("sphinx", "myst_nb", "furo", "latex2mathml"):
        pytest.importorskip(package, reason="the site needs the extra 'docs'")
    output = tmp_path_factory.mktemp("web") / "site"
    done = subprocess.run([sys.executable, "tools/site.py", "--output", str(output)], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return output


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    """Every page of the site, copies of source code included."""
    return {path: Page(path) for path in site.rglob("*.html")}


@pytest.fixture(scope="module")
def written(site, pages) -> dict[str, Page]:
    """The pages but copies of source code, by their address."""
    addresses = {path.relative_to(site).as_posix(): page for path, page in pages.items()}
    return {address: page for address, page in addresses.items() if not address.startswith("_")}


# The files

@pytest.mark.slow
def test_every_link_leads_to_a_page_and_a_place_in_it(site, pages):
    broken, places = [], {path: set(page.ids) for path, page in pages.items()}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            missing = parts.fragment and target in places and unquote(parts.fragment) not in places[target]
            if not target.exists() or missing:
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken, broken[:20]


@pytest.mark.slow
def test_tables_are_tables(written):
    raw = [f"{address}: {words[:60]}" for address, page in written.items() for words in page.words
           if words.lstrip().startswith("| ") and words.count("|") > 3]
    assert not raw, raw[:20]


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere_and_all_is_there(site, pages):
    for path, page in pages.items():
        for address, _ in page.loads:
            parts = urlsplit(address)
            assert not parts.netloc and parts.scheme in ("", "data"), f"{path.name} loads {address}"
            assert parts.scheme or (path.parent / unquote(parts.path)).exists(), f"{path.name} lacks {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\([\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.slow
def test_pictures_have_words_and_headings_are_in_order(written):
    by_script = {"search.html"}
    for address, page in ((address, page) for address, page in written.items() if address not in by_script):
        assert all((found.get("alt") or "").strip() for found in page.pictures), address
        jumps = [(a, b) for a, b in zip(page.headings, page.headings[1:]) if b > a + 1]
        assert page.headings[:1] == [1] and page.headings.count(1) == 1 and not jumps, f"{address}: {page.headings}"


@pytest.mark.slow
def test_pages_are_light_and_pictures_wait(site, written):
    for address, page in written.items():
        path = site / address
        assert all(found.get("loading") == "lazy" for found in page.pictures), address
        at_once = [path.parent / unquote(urlsplit(place).path) for place, found in page.loads
                   if found.get("loading") != "lazy" and not place.startswith("data:")]
        assert path.stat().st_size + sum(file.stat().st_size for file in set(at_once)) < 1_500_000, address


@pytest.mark.slow
def test_pictures_of_lessons_have_twice_the_pixels_of_a_phone(written):
    for name in LESSONS:
        for found in written[f"notebooks/{name}.html"].pictures:
            assert int(found["width"]) >= 2 * 300 and int(found["height"]) > 0, name


@pytest.mark.slow
def test_every_public_name_is_in_the_reference_once(written):
    places = [name for address, page in written.items() if address.startswith("reference/") for name in set(page.ids)]
    wanted = {f"semdepth_lite.{home}.{name}" for name, home in semdepth_lite._HOMES.items()}
    for path in (path for folder in reference.FOLDERS for path in reference.files_of(folder)):
        defined = [*reference.functions_of(path), *reference.constants_of(path)]
        wanted |= {f"{reference.module_of(path)}.{name}" for name in defined}
    assert {name: places.count(name) for name in wanted if places.count(name) != 1} == {}
    index = {urlsplit(link).fragment for link in written["reference/index.html"].links}
    assert {name for name in wanted if not name.rsplit(".", 1)[1].isupper()} <= index


def imported(path: Path) -> set[str]:
    """Homes of the package's functions, classes and modules that a lesson imports."""
    cells = nbformat.read(path, as_version=4).cells
    trees = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
        for alias in node.names if (node.module or "").startswith("semdepth_lite") else ():
            module = import_module(node.module)
            home = names.home_of(getattr(module, alias.name, None) or import_module(f"{node.module}.{alias.name}"))
            found |= {home} if home else set()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_every_name_that_a_lesson_imports_leads_to_its_reference(written, name):
    linked = {urlsplit(link).fragment.removeprefix("module-") for link in written[f"notebooks/{name}.html"].links
              if "reference/" in link}
    assert imported(ROOT / "notebooks" / f"{name}.ipynb") - linked == set()


@pytest.mark.slow
def test_terms_and_lessons_lead_to_each_other(written):
    page = written["notebooks/glossary.html"]
    assert {glossary.anchor(term) for term in TERMS} | set(PAPERS) <= set(page.ids)
    back = {tuple(link.split(".html#use-")) for link in page.links if ".html#use-" in link}
    there = {(name, urlsplit(link).fragment) for name in LESSONS for link in written[f"notebooks/{name}.html"].links
             if link.startswith("glossary.html#term-")}
    assert back == there and len({term for _, term in there}) > len(TERMS) / 2


@pytest.mark.slow
def test_the_start_page_has_one_picture_and_the_readme_s_commands(written):
    page = written["index.html"]
    assert len(page.pictures) == 1
    for command in re.findall(r"<!-- command: .*? -->\n```bash\n(.*?)\n```", (ROOT / "README.md").read_text("utf-8")):
        assert command in "".join(page.words)


@pytest.mark.slow
def test_the_start_page_gives_the_minutes_of_each_lesson(written):
    words = "".join(written["index.html"].words)
    assert words.count(" minutes to read") == len(LESSONS) and re.search(r"about \d+ hours to read", words)


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_s_page_tells_nobody_what_they_did_not_do(written, name):
    words = "".join(written[f"notebooks/{name}.html"].words)
    assert not re.search(r"NOT YET|You predicted nothing|returns nothing yet|exercises of this lesson passed", words)
    assert not [link for link in re.findall(r"(?:Next:|Before this:|Back to)\s+(\S+)", words) if "_" in link]


@pytest.mark.slow
def test_words_are_spelled(written, tmp_path):
    pytest.importorskip("codespell_lib", reason="the spelling check needs the extra 'docs'")
    for address, page in written.items():
        (tmp_path / address.replace("/", "-")).with_suffix(".txt").write_text("".join(page.words), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "codespell_lib", "--ignore-words-list", "arange,fpr,te,ans",
                           str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# In a browser

@pytest.fixture(scope="module")
def browser():
    """A Chromium of the system under Playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is in the extra 'browser'")
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not chromium:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)}); on Debian: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
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


def open_page(browser, **options):
    """An empty page in a window of its own, with patience for a busy machine."""
    page = browser.new_page(**options)
    page.set_default_timeout(120_000)
    return page


LESSON, REFERENCE, CODE = "notebooks/02_view_synthesis", "reference/borders", "_modules/semdepth_lite/losses"
SHOWN = {  # width and colors to pages: every kind of page once in each color and at each width
    (360, "light"): ("index", LESSON, "notebooks/glossary", "docs/results", REFERENCE, CODE),
    (360, "dark"): (LESSON, REFERENCE, CODE),
    (1280, "light"): ("index", "docs/results", "notebooks/glossary"),
    (1280, "dark"): ("index", LESSON)}
# a lesson's code has thousands of colored words, of a few colors: the longest cells have them all
LONGEST_CODE = """[...document.querySelectorAll('pre')].sort((a, b) => b.textContent.length - a.textContent.length)
    .slice(6).forEach((code) => code.remove())"""


@pytest.mark.slow
@pytest.mark.parametrize("width, scheme", SHOWN)
def test_pages_fit_ask_no_other_host_and_can_be_read_by_all(browser, address, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is in the extra 'browser'").Axe()
    page, asked, errors = open_page(browser, viewport={"width": width, "height": 800}, color_scheme=scheme), [], []
    page.on("request", lambda request: asked.append(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: errors.append(error))
    for path in SHOWN[width, scheme]:
        page.goto(f"{address}/{path}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than {width} pixels"
        page.evaluate(LONGEST_CODE)
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
        assert [(path, each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
    assert set(asked) == {"127.0.0.1"} and not errors
    page.close()


@pytest.mark.slow
def test_formulas_fit_a_phone_and_what_goes_on_at_a_side_fades(browser, address):
    page = open_page(browser, viewport={"width": 360, "height": 740})
    wide = "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.textContent)"
    for name in ("01_street_and_camera", "02_view_synthesis", "06_border_refinement"):
        page.goto(f"{address}/notebooks/{name}.html")
        assert page.locator("div.math").evaluate_all(wide) == [], name
        broken = "codes => codes.filter(code => getComputedStyle(code).whiteSpace !== 'pre').length"
        assert page.locator("article .highlight pre").evaluate_all(broken) == 0, "code and prints keep their lines"
    page.goto(f"{address}/docs/results.html")
    table = page.locator(".table-wrapper").first
    page.wait_for_function("document.querySelector('.table-wrapper').classList.contains('more-after')")
    names = table.locator("tbody td").first
    before = names.bounding_box()["x"]
    table.evaluate("box => (box.scrollLeft = box.scrollWidth)")
    assert names.bounding_box()["x"] == pytest.approx(before, abs=1), "the names of the rows stay"
    page.wait_for_function("document.querySelector('.table-wrapper').classList.contains('more-before')")
    assert "more-after" not in table.get_attribute("class")
    page.close()


@pytest.mark.slow
def test_the_contents_close_on_a_phone_when_a_reader_has_chosen(browser, address):
    page = open_page(browser, viewport={"width": 360, "height": 740})
    page.goto(f"{address}/notebooks/02_view_synthesis.html")
    page.locator(".mobile-header label[for=__toc]").click()
    assert page.locator("#__toc").is_checked()
    page.locator(".toc-drawer a[href^='#']").nth(2).click()
    assert not page.locator("#__toc").is_checked()
    page.close()


@pytest.mark.slow
def test_a_picture_is_enlarged_by_keyboard(browser, address):
    page = open_page(browser, viewport={"width": 360, "height": 740})
    page.goto(f"{address}/notebooks/02_view_synthesis.html")
    strip = page.locator("figure.strip").first
    before = strip.locator(".window").bounding_box()["width"]
    strip.locator("button").focus()
    page.keyboard.press("Enter")
    assert strip.locator(".window").bounding_box()["width"] == pytest.approx(2 * before, rel=0.01)
    assert strip.locator("button").inner_text() == "Smaller"
    page.wait_for_function("""() => {  // the page scrolls smoothly to the button; the slider is beside it
        const { top, bottom } = document.querySelector('figure.strip .bar').getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight; }""")
    page.locator("a.picture").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/_static/pictures/\w+\.\w+$"))
    page.close()


@pytest.mark.slow
def test_the_signature_and_shapes_of_the_ranking_loss_are_three_clicks_away(browser, address):
    page = open_page(browser, viewport={"width": 360, "height": 740})
    page.goto(f"{address}/index.html")
    page.locator("article a", has_text="reference").first.click()
    page.locator("article a", has_text=re.compile("^ranking_loss$")).first.click()
    entry = page.locator(f"[id='{urlsplit(page.url).fragment}'] + dd").first.inner_text()
    assert page.locator(f"[id='{urlsplit(page.url).fragment}']").is_visible() and "(B, 1, H, W)" in entry
    page.close()


@pytest.mark.slow
def test_search_finds_the_ranking_loss(browser, address):
    page = open_page(browser)
    page.goto(f"{address}/search.html?q=ranking_loss")
    page.wait_for_selector("#search-results li a")
    page.locator("#search-results li a", has_text="ranking_loss").first.click()
    assert "ranking_loss" in page.locator("article").inner_text()
    page.goto(f"{address}/search.html?q=smoothness")
    page.wait_for_selector("#search-results li a")
    assert not page.locator("#search-results li").first.inner_text().isupper()
    page.close()


@pytest.mark.slow
def test_a_table_is_sorted_by_its_numbers(browser, address):
    page = open_page(browser)
    page.goto(f"{address}/docs/results.html")
    table = page.locator("article table").first
    table.locator("th button").first.focus()
    page.keyboard.press("Enter")
    column = [float(text.split()[0]) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert column == sorted(column) and len(column) > 2
    page.close()


@pytest.mark.slow
def test_an_arrow_key_moves_an_explorer(browser, address):
    page = open_page(browser)
    page.goto(f"{address}/notebooks/02_view_synthesis.html")
    strip = page.locator("figure.strip").first
    strip.scroll_into_view_if_needed()
    seen = "strip => [strip.querySelector('img').style.transform, strip.querySelector('.words').textContent]"
    before = strip.evaluate(seen)
    strip.locator("input").focus()
    page.keyboard.press("ArrowRight")
    after = strip.evaluate(seen)
    assert before[0] != after[0] and before[1] != after[1]
    window, picture = (strip.locator(part).bounding_box() for part in (".window", "img"))
    offset = (window["y"] - picture["y"]) / window["height"]
    assert offset == pytest.approx(int(strip.locator("input").input_value()), abs=0.02)
    page.close()


@pytest.mark.slow
def test_a_printed_lesson_shows_what_is_folded_and_no_menu(browser, address):
    page = open_page(browser)
    page.goto(f"{address}/notebooks/02_view_synthesis.html")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("article details").count() > 0
    assert page.locator("article details:not([open])").count() == 0
    assert not page.locator(".sidebar-drawer").is_visible()
    page.close()
