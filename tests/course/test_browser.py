"""A person's slider in a real browser: JupyterLab on loopback, Run All, an arrow key, and the picture changes.

Needs Playwright (the extra `browser`) and a Chromium of the system; both are looked for, and without them the tests are
skipped. Screenshots are kept in the folder that SEMDEPTH_SCREENSHOTS names, else in pytest's own temporary folder.
"""
from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from semdepth_lite.course import explorers

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]
pytestmark = pytest.mark.slow  # a browser and JupyterLab are started, which takes their time whatever is asked

PATIENCE = 240  # seconds for a notebook to run; a fraction is enough unless the machine is busy
LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
# the first one, and the one with the most explorers; papermill and nbval run all of them, without a page
RUN_LIVE = ("00_start_here.ipynb", "02_view_synthesis.ipynb")
SETUP = """
import torch
from semdepth_lite import presets
from semdepth_lite.course import explorers, museum
from semdepth_lite.data.sources import triplet_of
from semdepth_lite.street import pace_car_scene, render_frame

torch.set_num_threads(1)
batch = triplet_of([render_frame(8, index, 64, 192) for index in (2, 3, 4)])
model = presets.recipe("quick").build().eval()
attentive = presets.recipe("quick", variant="attention").build().eval()
"""
SHOWN = {"warp": "explorers.WarpExplorer(batch)", "scale": "explorers.ScaleExplorer(batch)",
         "intrinsics": "explorers.IntrinsicsExplorer(batch)", "curve": "explorers.CurveExplorer(batch, model)",
         "pace": "explorers.PaceCarExplorer(pace_car_scene(4))", "border": "explorers.BorderExplorer(batch, model)",
         "attention": "explorers.AttentionExplorer(attentive, batch)", "cloud": "explorers.CloudExplorer(batch, model)",
         "museum": "explorers.MuseumExplorer(museum.shelf((0.5, 1.0), ('fattening', 'scale_drift')))"}
ASKED = ("from semdepth_lite.course import guesses\nguess = guesses.ask('00 way', 'Which way?', ['left', 'right'])",
         "with guess.reveal():\n    display({'text/plain': 'a picture of it'}, raw=True)\n    print('it turned')\n"
         "    guess.compare('left')",
         "with guesses.reveal():\n    print('the light was green')")
# how wide the longest entry of a menu is, and how much space it has beside the arrow
ENTRIES = """select => {
    const pen = document.createElement('canvas').getContext('2d');
    pen.font = getComputedStyle(select).font;
    const longest = Math.max(...[...select.options].map(option => pen.measureText(option.text).width));
    return longest + 24 <= select.clientWidth;
}"""

# whether the first handle of a box speaks what stands beside it
SPOKEN = ("box => box.querySelector('.noUi-handle').getAttribute('aria-valuetext') === "
          "box.querySelector('.widget-readout').textContent")


def write_notebook(path: Path, sources) -> None:
    """Write a notebook of code cells."""
    cells = [nbformat.v4.new_markdown_cell("# Cells"), *map(nbformat.v4.new_code_cell, sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}), str(path))


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium of the system."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed; it is in the extra "
                                     "'browser'")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)}); on Debian: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on loopback with a root and a token of its own: its folder, and the address of a notebook in it."""
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "explorers.ipynb", [SETUP.strip(), *(f"{name} = {code}\n{name}.show()"
                                                                 for name, code in SHOWN.items())])
    write_notebook(folder / "guesses.ipynb", ASKED)
    settings = tmp_path_factory.mktemp("settings")
    # JupyterLab otherwise leaves out of the page what is not in view, and asks whether it may fetch news
    for name, setting in {"notebook-extension/tracker": {"windowingMode": "none"},
                          "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}.items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(setting))
    for lesson in LESSONS:  # the preset that they have takes minutes
        source = (ROOT / "notebooks" / lesson).read_text(encoding="utf-8")
        assert 'preset = \\"lesson\\"' in source
        (folder / lesson).write_text(source.replace('preset = \\"lesson\\"', 'preset = \\"quick\\"'), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    home = tmp_path_factory.mktemp("home")
    places = {name: str(home / name.lower()) for name in
              ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
             "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
             f"--LabApp.user_settings_dir={settings}", "--LabApp.news_url=None",
             "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
            env={**os.environ, **places, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, folder / "lab.log")
        # a workspace for each notebook, or the tab of the one before would be open too and take Run All
        yield folder, lambda name: f"http://127.0.0.1:{port}/lab/workspaces/{Path(name).stem}/tree/{name}?token={token}"
    finally:
        server.terminate()
        server.wait(60)


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    """Wait until the server answers; fail with its log if it ends."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture()
def page(browser, screenshots):
    """A fresh page that collects the console's errors; how it looked at the end is kept too."""
    opened = browser.new_page(viewport={"width": 1280, "height": 1100})
    opened.set_default_timeout(PATIENCE * 1000)
    opened.complaints = []
    opened.on("console", lambda message: opened.complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    yield opened
    opened.screenshot(path=screenshots / "last.png")
    opened.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory) -> Path:
    """The folder where screenshots are kept."""
    named = os.environ.get("SEMDEPTH_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_all(page, address: str) -> None:
    """Open a notebook, run all its cells and wait until none is left to run."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()  # before the kernel is there, Run All would ask which one to take
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    page.wait_for_function("""() => {
        const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
        const ran = cells.map(cell => cell.querySelector('.jp-InputPrompt').textContent);
        return cells.length > 0 && ran.every(text => /\\[\\d+\\]/.test(text));
    }""")
    errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.count() == 0, errors.first.inner_text()


def changed(image, before: str) -> bool:
    """Wait until an image shows something else."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if image.get_attribute("src") != before:
            return True
        time.sleep(0.02)
    return False


def test_every_explorer_answers_an_arrow_key(lab, page, screenshots):
    from playwright.sync_api import expect

    folder, address = lab
    run_all(page, address("explorers.ipynb"))
    waited = {}
    for name, kind in SHOWN.items():
        title = getattr(explorers, kind.split("(")[0].split(".")[1]).title
        box = page.locator(".jp-OutputArea-output .widget-vbox", has=page.get_by_text(title, exact=True))
        image, status = box.locator("img.widget-image"), box.get_by_role("status")
        image.scroll_into_view_if_needed()
        before, said = image.get_attribute("src"), status.inner_text()
        box.screenshot(path=screenshots / f"{name}_0.png")
        box.locator(".noUi-handle").first.focus()
        began = time.monotonic()
        page.keyboard.press("ArrowLeft" if name == "museum" else "ArrowRight")  # the museum opens at full strength
        assert changed(image, before), f"{name}: the picture stayed as it was"
        waited[name] = round(time.monotonic() - began, 3)
        expect(status).not_to_have_text(said, timeout=PATIENCE * 1000)  # it comes after the picture
        box.screenshot(path=screenshots / f"{name}_1.png")
        for label in box.locator(".widget-label").all():
            assert label.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), f"cut off: {label.inner_text()}"
        for row in box.locator(".widget-slider").all():  # what is heard is what stands beside the handle
            handle = row.locator(".noUi-handle")
            expect(handle).to_have_attribute("aria-label", row.locator(".widget-label").inner_text())
            expect(handle).to_have_attribute("aria-valuetext", row.locator(".widget-readout").inner_text())
        for menu in box.locator("select").all():
            assert menu.evaluate(ENTRIES), f"{name}: an entry of the menu is cut off"
        wide = box.locator(".widget-slider").first.bounding_box()["width"]
        assert wide > 0.45 * image.bounding_box()["width"], f"{name}: a slider is narrow"
        assert len(box.get_by_role("img", name=getattr(explorers, kind.split("(")[0].split(".")[1]).alt).all()) == 1
        still = box.locator("xpath=ancestor::div[contains(@class,'jp-OutputArea ')]").locator("figure img").first
        assert len(still.get_attribute("alt")) > 80 and not still.is_visible()  # one picture: the live one
    drags_and_clicks(page, screenshots)
    (screenshots / "seconds.json").write_text(json.dumps(waited, indent=1))
    assert page.complaints == []


def drags_and_clicks(page, screenshots) -> None:
    """Drag a slider, whose picture changes before it is let go; click on a picture, which chooses a pixel."""
    from playwright.sync_api import expect

    boxes = {title: page.locator(".jp-OutputArea-output .widget-vbox", has=page.get_by_text(title, exact=True))
             for title in (explorers.ScaleExplorer.title, explorers.CurveExplorer.title)}
    box = boxes[explorers.ScaleExplorer.title]
    box.scroll_into_view_if_needed()
    handle, image, seen = box.locator(".noUi-handle").first.bounding_box(), box.locator("img.widget-image"), set()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 31):
        page.mouse.move(x - 5 * step, y)
        page.wait_for_timeout(200)
        seen.add(image.get_attribute("src"))
        assert box.evaluate(SPOKEN), "what is heard differs from what stands beside the handle while it is dragged"
    page.mouse.up()
    assert box.evaluate(SPOKEN), "what is heard differs from what stands beside the handle after the drag"
    assert len(seen) >= 3, f"{len(seen)} pictures while dragging"
    box = boxes[explorers.CurveExplorer.title]
    cover, status = box.get_by_role("img", name=explorers.CurveExplorer.alt), box.get_by_role("status")
    cover.scroll_into_view_if_needed()
    area, said = cover.bounding_box(), status.inner_text()
    cover.click(position={"x": 0.3 * area["width"], "y": 0.2 * area["height"]})
    expect(status).not_to_have_text(said, timeout=PATIENCE * 1000)
    assert "Pixel (" in status.inner_text()
    box.screenshot(path=screenshots / "clicked.png")


def test_an_outcome_opens_when_answer_and_certainty_are_chosen(lab, page, screenshots):
    folder, address = lab
    run_all(page, address("guesses.ipynb"))
    form = page.locator(".jp-OutputArea-output .widget-vbox", has=page.get_by_text("Which way?", exact=True))
    shown = page.locator(".jp-OutputArea-output")
    outcome, light = (shown.filter(has_text=words) for words in ("You predicted: right", "the light was green"))
    assert outcome.count() == 0 and not light.last.is_visible()
    form.get_by_role("radio").nth(1).focus()  # by the keyboard from here on
    page.keyboard.press("Space")
    form.get_by_text("how sure are you").wait_for()
    form.screenshot(path=screenshots / "guess_0.png")
    assert outcome.count() == 0
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    outcome.last.wait_for()
    page.screenshot(path=screenshots / "guess_1.png")
    shows = page.locator(".jp-CodeCell .jp-Cell-outputWrapper").nth(1).inner_text()
    places = [shows.index(words) for words in ("a picture of it", "it turned", "You predicted: right")]
    assert places == sorted(places), "an outcome opens in another order than it was made"
    form.get_by_role("radio").nth(0).click()
    form.get_by_text("too late").wait_for()
    page.get_by_role("button", name="The outcome: predict first, then open").press("Enter")
    light.last.wait_for()
    kept = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))["00 way"]
    assert (kept["prediction"], kept["sure"], kept["outcome"]) == ("right", "a guess", "left")
    assert page.complaints == []


def check_figures(page) -> int:
    """Check that every picture of the open notebook is there and has words; return how many there are."""
    figures = page.locator("figure img").all()
    for number, figure in enumerate(figures):
        assert figure.evaluate("e => e.complete && e.naturalWidth > 0"), f"picture {number} is broken"
        assert len(figure.get_attribute("alt")) >= 20, f"picture {number} has no words"
    return len(figures)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda name: Path(name).stem)
def test_a_lesson_opens_as_it_is_stored(lesson, lab, page, screenshots):
    folder, address = lab
    page.goto(address(lesson))
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()
    stored = (folder / lesson).read_text(encoding="utf-8").count("<figure")
    assert check_figures(page) == stored > 0
    page.screenshot(path=screenshots / f"{Path(lesson).stem}_stored.png")
    assert page.complaints == []


@pytest.mark.parametrize("lesson", RUN_LIVE, ids=lambda name: Path(name).stem)
def test_a_lesson_runs_from_top_to_bottom(lesson, lab, page, screenshots):
    folder, address = lab
    run_all(page, address(lesson))
    assert check_figures(page) > 0
    figures = page.locator("figure:visible")  # stills of live explorers are folded
    figures.nth(figures.count() // 2).scroll_into_view_if_needed()
    page.screenshot(path=screenshots / f"{Path(lesson).stem}.png")
    assert page.complaints == []
