"""What only a running notebook can say, replaced on the site by a sentence that tells where it stands there."""
from __future__ import annotations

import re

from nbformat import NotebookNode
from nbformat.v4 import new_output

from semdepth_lite.course.folds import is_folded

NOT_PREDICTED = "You predicted nothing; it happened: "
OUTCOME = "In JupyterLab your prediction stands here beside what happened: "
VERDICT = re.compile(r"^NOT YET  (checks\.\w+):")
JUDGED = '<p class="live">In JupyterLab <code>{check}</code> judges your function here.</p>'


def without_live_words(output: NotebookNode) -> NotebookNode:
    """Return a stored output as the site shows it: nobody has predicted or written anything there.

    Args:
        output: Output of a notebook's cell.
    """
    if output.output_type == "stream":
        output.text = output.text.replace(NOT_PREDICTED, OUTCOME)
    elif is_folded(output):
        output.data["text/html"] = "".join(output.data["text/html"]).replace(NOT_PREDICTED, OUTCOME)
    verdict = VERDICT.match("".join(output.get("data", {}).get("text/plain", "")))
    if verdict:
        return new_output("display_data", {"text/html": JUDGED.format(check=verdict[1])})
    return output
