"""The drawings: every word stands inside the figure, and no two words lie on each other."""
from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from semdepth_lite.course import drawings, methods_drawing

DRAWN = {function.__name__: function for function in (
    drawings.pinhole, drawings.two_cameras, drawings.pipeline, drawings.network, drawings.attention,
    drawings.modulation, drawings.enhanced_points, drawings.pushed_pairs, methods_drawing.overview)}


@pytest.mark.parametrize("name", DRAWN)
def test_words_are_inside_and_apart(name):
    figure = DRAWN[name]()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts: list[Text] = [text for home in (figure, *figure.axes) for text in home.texts]
    words = [text for text in texts if text.get_visible() and text.get_text().strip()]
    assert len(words) >= 4
    boxes = {text: text.get_window_extent(canvas.get_renderer()) for text in words}
    for text, box in boxes.items():
        assert -1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text.get_text()
        assert -1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text.get_text()
    for (first, a), (second, b) in combinations(boxes.items(), 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width < 3 or height < 3, f"{first.get_text()!r} lies on {second.get_text()!r}"
