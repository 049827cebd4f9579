"""What is made from the package and never typed by hand: the pages' pictures and tables.

`python -m tools.pages` draws the README's picture, the overview of both methods and, from committed results, what each
variant changes; it brings exercises, solutions, glossary and the line of minutes of each lesson up to date, fills the
README's list of notebooks, and in README and docs/ every block of the form

    <!-- results: GROUP,GROUP | METRIC METRIC ... -->
    <!-- end of results -->

from the committed results of these groups (`experiments.results.Result`). A block that begins with `differences`
instead of `results` compares every row with the first one. A block `benchmarks` is filled from the benchmarks' files.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from semdepth_lite.common.storage import write_atomically
from semdepth_lite.course.checks import EXERCISES
from semdepth_lite.course.notebooks import STAMP, load, save_notebook, title_of
from semdepth_lite.experiments.results import (
    ROOT,
    Result,
    find_measurements,
    find_results,
    read_measurements,
    read_results,
)
from semdepth_lite.experiments.tables import by_row, difference_table, differences, results_table, speed_table
from semdepth_lite.metrics.registry import METRICS
from tools import parser
from tools.exercises import exercise_cells, write_exercises
from tools.glossary_page import write_page

BLOCK = re.compile(r"(?P<opening><!-- (?P<kind>results|differences): (?P<groups>\S+) \| (?P<metrics>[^>]+?) -->\n)"
                   r".*?(?P<closing><!-- end of results -->)", re.S)
TIME = re.compile(r"^\*Time:\*.*$", re.M)
LISTED = re.compile(r"(<!-- exercises -->\n).*?(<!-- end of exercises -->)", re.S)
INSTRUCTORS = ROOT / "notebooks" / "for_instructors.md"
LESSONS = re.compile(r"(<!-- notebooks -->\n).*?(<!-- end of notebooks -->)", re.S)
ABLATION = ("baseline", "baseline-more", "features", "refinement", "methods", "given")  # the named variants
MISSING = "*No results are committed yet.*\n"
BENCHMARKS = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- end of benchmarks -->)", re.S)
PICTURED = (2, 8, 11, 14, 23)  # seeds of test scenes with sun and shade, near and far things


def reading_minutes(notebook) -> int:
    """Estimate how long a person reads: 150 words a minute, and half a minute for each code cell.

    Exercises have minutes of their own, and what is folded away is not read.
    """
    read = [cell for cell in notebook.cells if not re.match("exercise-|answer-", str(cell.get("id")))]
    texts = [re.sub(r"<details>.*?</details>", "", cell.source, flags=re.S) for cell in read
             if cell.cell_type == "markdown"]
    codes = sum(cell.cell_type == "code" for cell in read)
    return round(sum(len(re.findall(r"\w+", text)) for text in texts) / 150 + codes / 2)


def exercise_minutes(notebook) -> int:
    """Add up the minutes of the exercises in a notebook."""
    present = {cell.get("id") for cell in notebook.cells}
    return sum(each.minutes for each in EXERCISES.values() if exercise_cells(each)[0].id in present)


def time_line(notebook) -> str:
    """Return the line that says how long a lesson takes, from its cells and the stored run."""
    run = notebook.metadata.get(STAMP, {})
    exercises = exercise_minutes(notebook)
    more = f", {exercises} more for the exercises" if exercises else ""
    line = f"*Time:* about {reading_minutes(notebook)} minutes to read{more}."
    if "minutes" in run:
        line += (f" The stored run, with preset `{run['preset']}` and without a GPU, took {run['minutes']:.1f} minutes "
                 "to compute, plus a few where the street is not rendered yet; the quick preset is much faster.")
    return line


def exercises_table() -> str:
    """Write a Markdown table of all exercises: lesson, check, title, difficulty, minutes, known wrong answers."""
    lines = ["| lesson | check | exercise | difficulty (1 to 3) | minutes | known wrong answers |",
             "| --- | --- | --- | ---: | ---: | ---: |"]
    lines += [f"| {each.lesson[:2]} | `checks.{each.name}` | {each.title} | {each.difficulty} | {each.minutes} "
              f"| {len(each.mistakes)} |" for each in EXERCISES.values()]
    total, mistakes = len(EXERCISES), sum(len(each.mistakes) for each in EXERCISES.values())
    return "\n".join(lines) + f"\n\nThat makes {total} exercises and {mistakes} known wrong answers.\n"


def fill_instructors(text: str) -> str:
    """Return the instructors' page with its table of exercises filled."""
    return LISTED.sub(lambda block: block[1] + exercises_table() + block[2], text)


def with_time_line(notebook) -> bool:
    """Bring the line of minutes in a notebook's first cell up to date, and tell whether it changed."""
    before = notebook.cells[0].source
    notebook.cells[0].source = TIME.sub(lambda _: time_line(notebook), before)
    return notebook.cells[0].source != before


def notebooks_table(paths: Iterable[Path]) -> str:
    """Write a Markdown table of notebooks: name, title, minutes of reading, of exercises and of the stored run."""
    lines = ["| notebook | lesson | reading (min) | exercises (min) | compute (min) |",
             "| --- | --- | ---: | ---: | ---: |"]
    total = [0.0, 0.0, 0.0]
    for path in paths:
        notebook = load(path)
        computed = notebook.metadata.get(STAMP, {}).get("minutes")
        minutes = (reading_minutes(notebook), exercise_minutes(notebook), computed or 0.0)
        total = [so_far + more for so_far, more in zip(total, minutes)]
        lines.append(f"| [`{path.stem}`](notebooks/{path.name}) | {title_of(notebook)} | {minutes[0]} "
                     f"| {minutes[1] or '–'} | {'–' if computed is None else f'{computed:.1f}'} |")
    hours = " | ".join(f"**{minutes / 60:.1f} h**" for minutes in total)
    return "\n".join(lines) + f"\n| | **all together** | {hours} |\n"


def find_pages() -> list[Path]:
    """List the pages that hold blocks to fill: the README and what is in docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def committed(groups: Sequence[str]) -> list[Result]:
    """Read the committed results of several groups; none if one of the groups has no file."""
    return read_results(*groups) if all(map(find_results, groups)) else []


def results_block(block: re.Match) -> str:
    """Fill a block of results or differences."""
    results, metrics = committed(block["groups"].split(",")), block["metrics"].split()
    if not results:
        content = MISSING
    elif block["kind"] == "results":
        content = results_table(results, metrics)
    else:
        content = difference_table(by_row(results), results[0].name, metrics)
    return block["opening"] + content + block["closing"]


def fill(text: str) -> str:
    """Return a Markdown text with its blocks of notebooks, benchmarks and results filled."""
    lessons = notebooks_table(sorted((ROOT / "notebooks").glob("*.ipynb")))
    text = LESSONS.sub(lambda block: block[1] + lessons + block[2], text)
    costs = MISSING
    if find_measurements("benchmark-*"):
        costs = speed_table(list(read_measurements("benchmark-*").values()))
    return BLOCK.sub(results_block, BENCHMARKS.sub(lambda block: block[1] + costs + block[2], text))


def draw_picture(path: Path) -> None:
    """Draw the README's first picture: some test scenes, each as image, inverse depth and labels."""
    from semdepth_lite.figures import colorize_depth, contact_sheet, save
    from semdepth_lite.labels import colorize_labels
    from semdepth_lite.street import render_frame

    frames = [render_frame(seed, 3, 192, 640) for seed in PICTURED]
    cells = [cell for frame in frames for cell in (frame.image, colorize_depth(frame.depth, (3.5, 80.0)),
                                                   colorize_labels(torch.from_numpy(frame.labels)).numpy())]
    save(contact_sheet(cells, ["image", "depth (near is bright)", "classes"], columns=3), path,
         alt=f"{len(frames)} street scenes in rows. Each row shows a rendered camera image with cars, trees, signs and "
             "people between houses, its depth map, and its map of semantic classes.",
         caption="The street that the package renders: image, exact depth and exact classes.")


def draw_overview(path: Path) -> None:
    """Draw both methods."""
    from semdepth_lite.course.methods_drawing import overview
    from semdepth_lite.figures import save

    save(overview(), path,
         alt="Two diagrams. In SEEDepth a shared encoder feeds a semantic and a depth decoder of five levels; "
             "attention joins them at levels 4 to 2, concatenation at 1 and 0, and SEEM enhances points at semantic "
             "edges, with features of the encoder and both decoders, before the last convolution. In SemDepth SSFA "
             "joins them at levels 2 to 0, steered by a map of all classes, and a ranking loss compares depth with "
             "labels; snapping is added by us.",
         caption="Both methods, drawn after the authors' overview figures; what is inside a dashed box is our "
                 "reconstruction.")


def draw_ablation(path: Path) -> bool:
    """Draw what each variant changes, from the committed results, and tell whether there are any."""
    from semdepth_lite.figures import difference_bars, save

    results = committed(ABLATION)
    if not results:
        return False
    charted = {metric.name: metric for metric in METRICS.values() if metric.chart}
    chart = {name.split(":")[0]: {charted[metric].chart: (100 * d.relative, 100 * d.relative_low,
                                                          100 * d.relative_high)
                                  for metric, d in row.items() if d}
             for name, row in differences(by_row(results), results[0].name, tuple(charted)).items()}
    higher = tuple(metric.chart for metric in charted.values() if metric.better == "higher")
    save(difference_bars(chart, higher_is_better=higher), path,
         alt="Relative differences of variants to the baseline in eight metrics, with intervals. AbsRel: " + "; ".join(
             f"{name} {row['AbsRel'][0]:+.0f} percent" for name, row in chart.items() if "AbsRel" in row) + ".",
         caption=f"Each variant against the baseline on test scenes. Everything but {', '.join(higher)} is an error: "
                 "left is better.")
    return True


def main() -> None:
    """Bring everything that is made up to date, the pages last."""
    parser(__doc__).parse_args()
    write_exercises()
    write_page()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = load(path)
        if with_time_line(notebook):
            save_notebook(notebook, path)
    draw_picture(ROOT / "figures" / "street_contact_sheet.png")
    draw_overview(ROOT / "figures" / "overview.png")
    draw_ablation(ROOT / "figures" / "ablation.png")
    pages = [(path, fill) for path in find_pages()]
    for path, filler in ((INSTRUCTORS, fill_instructors), *pages):
        filled = filler(path.read_text(encoding="utf-8"))
        write_atomically(path, lambda temporary, filled=filled: temporary.write_text(filled, encoding="utf-8"))


if __name__ == "__main__":
    main()
