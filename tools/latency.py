"""How long explorers take to answer: wall and processor seconds in the kernel, from a moved control to the new PNG.

    python -m tools.latency                 # all explorers, as the browser tests show them
    python -m tools.latency border curve    # some

On a busy machine the processor seconds are the ones to read. The way through the browser is in the file seconds.json
that tests/test_browser.py leaves beside its screenshots.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "course"))
from test_browser import SETUP, SHOWN  # noqa: E402

from tools import chosen_names  # noqa: E402

LIMIT = 0.3  # seconds; slower feels broken
ANSWERS = 10


def settings(control) -> list:
    """A few values that a person could choose with a control."""
    if hasattr(control, "options"):
        values = [option[1] if isinstance(option, tuple) else option for option in control.options]
        return [value for value in values if value != control.value]
    if isinstance(control.value, bool):
        return [not control.value]
    step = control.step if not hasattr(control, "base") else 0.0
    values = [control.value + step * count for count in (1, 2, 3)] if step else [1.2, 1.5, 2.0]
    return [value for value in values if step == 0.0 or control.min <= value <= control.max]


def measure(explorer) -> list[tuple[float, float]]:
    """Move controls in turn and time each answer: (wall, processor) seconds."""
    moves = [(name, value) for name, control in explorer.controls.items() for value in settings(control)]
    found = []
    for count in range(ANSWERS):
        name, value = moves[(count * max(1, len(moves) // ANSWERS)) % len(moves)]
        if explorer.controls[name].value == value:
            continue
        began = time.perf_counter(), time.process_time()
        explorer.controls[name].value = value
        found.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return found


def main() -> None:
    """Print a row for each explorer."""
    chosen = chosen_names(__doc__, SHOWN)
    names: dict = {}
    exec(SETUP, names)
    print(f"{'explorer':<12} {'wall median':>12} {'wall max':>9} {'cpu median':>11} {'cpu max':>8}")
    for name in chosen or SHOWN:
        answers = measure(eval(SHOWN[name], names))
        wall, cpu = (sorted(answer[kind] for answer in answers) for kind in (0, 1))
        middle = len(answers) // 2
        print(f"{name:<12} {wall[middle]:12.2f} {wall[-1]:9.2f} {cpu[middle]:11.2f} {cpu[-1]:8.2f}"
              + ("" if cpu[middle] <= LIMIT else f"  over {LIMIT} s"), flush=True)


if __name__ == "__main__":
    main()
