"""Notebooks as recipes: run them, keep their results beside them, and know when stored outputs are stale.

Notable: the committed notebook holds the outputs of a run at the lesson preset. `run_notebook` makes that run,
`store_outputs` moves its outputs into the committed notebook and stamps it with a hash of what the outputs depend on:
what the code cells mean, however their lines are broken, and the result files they read.
"""
from __future__ import annotations

import ast
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..common.contracts import InputError, RunFailed
from ..common.small_files import check_regular
from ..common.storage import write_atomically
from ..experiments.results import find_measurements, find_results
from .folds import fold_outcomes

INJECTED = "injected-parameters"
QUIET_KERNEL = ["--IPKernelApp.log_level=ERROR"]  # else each kernel warns about how it was started
STAMP = "semdepth_lite"  # the notebook metadata key that holds hash, preset and minutes
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
ALERT = re.compile(r'<div role="alert"[^>]*>(.*?)</div>', re.S)  # what an explorer tells when drawing fails
WARNED = re.compile(r"Traceback \(most recent call last\)")


class NotebookFailure(RunFailed):
    """A notebook raised, or one of its widgets did; the message names the place of the executed copy."""


def run_notebook(path: str | Path, output: str | Path, parameters: Mapping[str, object] | None = None,
                 progress: bool = True) -> dict:
    """Execute a notebook with papermill in the folder of `output`, so that its results land beside it.

    Args:
        path: The notebook.
        output: Path of the executed copy, which is written cell by cell, also when a cell fails.
        parameters: Values for the parameters cell.
        progress: Whether to show a progress bar over the cells.

    Returns:
        notebook, output, seconds, and the content of the results file if the notebook wrote one.

    Raises:
        InputError: if the notebook does not exist or has no parameter of a given name.
        NotebookFailure: if a cell or a widget raised.
    """
    import papermill

    path, output = Path(path).resolve(), Path(output).resolve()
    known = parameter_literals(load(path))
    for name in parameters or {}:
        if name not in known:
            raise InputError(f"{path.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}.")
    output.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    try:
        papermill.execute_notebook(str(path), str(output), parameters=dict(parameters or {}),
                                   cwd=str(output.parent), progress_bar=progress, extra_arguments=QUIET_KERNEL)
    except papermill.PapermillExecutionError as error:
        raise NotebookFailure(f"{path.name} failed in its cell {error.exec_count}: {error.ename}: {error.evalue} "
                              f"(the executed copy is {output}).") from error
    except (RuntimeError, KeyError) as error:  # of jupyter_client and nbclient: no kernel, or one that was killed
        reason = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        raise NotebookFailure(f"{path.name} has no kernel any more ({type(error).__name__}: {reason}); the memory may "
                              "be full, or the kernel python3 belongs to another environment: python -m ipykernel "
                              "install --sys-prefix makes one here.") from error
    errors = stored_errors(load(output))
    if errors:
        raise NotebookFailure(f"{path.name} ran to its end with an error inside: {errors[0]} (the executed copy is "
                              f"{output}).")
    values = {**known, **(parameters or {})}
    results = output.parent / str(values.get("results", ""))
    written = results.suffix == ".json" and results.is_file()
    return {"notebook": path.name, "output": str(output), "seconds": time.perf_counter() - began,
            "results": json.loads(results.read_text(encoding="utf-8")) if written else None}


def load(path: str | Path):
    """Read a notebook.

    Raises:
        InputError: if there is no notebook at `path`.
    """
    import nbformat

    try:
        if Path(path).exists():
            check_regular(Path(path), "a notebook")
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise InputError(f"There is no notebook {str(path)!r}; look into the folder notebooks.") from error
    except InputError:
        raise
    except (ValueError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        raise InputError(f"{str(path)!r} is not a notebook ({str(error).splitlines()[0]}); restore it.") from error


def save_notebook(notebook, path: str | Path) -> None:
    """Write a notebook atomically."""
    import nbformat

    write_atomically(Path(path), lambda temporary: nbformat.write(notebook, str(temporary)))


def parameter_literals(notebook) -> dict[str, object]:
    """Return the names and literal values of a notebook's parameters cell.

    Raises:
        InputError: if there is not exactly one such cell, or it holds anything but assignments of literals.
    """
    cells = [cell for cell in code_cells(notebook) if "parameters" in _tags(cell)]
    if len(cells) != 1:
        raise InputError(f"The notebook has {len(cells)} cells tagged 'parameters', expected exactly one; tag the "
                         "first code cell.")
    values = {}
    for statement in ast.parse(cells[0].source).body:
        try:
            if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
                raise ValueError
            values[statement.targets[0].id] = ast.literal_eval(statement.value)
        except ValueError:
            raise InputError(f"The parameters cell holds {ast.unparse(statement)!r}, expected NAME = LITERAL; derive "
                             "values in the next cell, or papermill cannot change them.") from None
    return values


def title_of(notebook) -> str:
    """Return a notebook's title, the first heading of its first cell; empty without one."""
    found = re.search(r"^# (.+)$", notebook.cells[0].source, re.M)
    return found[1] if found else ""


def code_cells(notebook) -> list:
    """Return the code cells that belong to the notebook, without the one papermill injects."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and INJECTED not in _tags(cell)]


def notebook_hash(path: str | Path) -> str:
    """Hash what a notebook's stored outputs depend on: its code cells and the committed results it reads."""
    digest = hashlib.sha256()
    read: set[Path] = set()
    for cell in code_cells(load(path)):
        digest.update(meaning(cell.source).encode() + b"\0")
        read.update(_files_read(cell.source))
    for file in sorted(read):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def meaning(source: str) -> str:
    """Return what a cell says to Python: its syntax tree in words, without comments and the places of line breaks.

    Args:
        source: The cell's text; lines for IPython itself are kept as they are.
    """
    plain, magic = _without_magic(source)
    return "\n".join([_words(ast.parse(plain)), *magic])


def _words(node) -> str:
    """Write a syntax tree without what differs between versions of Python: empty fields, contexts, kinds."""
    if isinstance(node, list):
        return f"[{' '.join(map(_words, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    kept = [f"{name}={_words(value)}" for name, value in ast.iter_fields(node)
            if name not in ("ctx", "kind", "type_comment") and value is not None and value != []]
    return f"{type(node).__name__}({' '.join(kept)})"


def _without_magic(source: str) -> tuple[str, list[str]]:
    """Part a cell into Python, with empty lines in the place of IPython's own, and those lines."""
    lines = source.splitlines()
    magic = [line for line in lines if line.lstrip().startswith(("%", "!"))]
    return "\n".join("" if line in magic else line for line in lines), magic


def stamp(path: str | Path, **facts) -> None:
    """Write the hash into the notebook's metadata: its stored outputs are those of its present code and results.

    Args:
        path: The notebook.
        facts: Further facts to keep, such as preset and minutes of the run.
    """
    notebook = load(path)
    notebook.metadata[STAMP] = {**notebook.metadata.get(STAMP, {}), **facts, "hash": notebook_hash(path)}
    save_notebook(notebook, path)


def is_fresh(path: str | Path) -> bool:
    """Tell whether the stored outputs belong to the notebook's present code and results."""
    return load(path).metadata.get(STAMP, {}).get("hash") == notebook_hash(path)


def store_outputs(executed: str | Path, path: str | Path, **facts) -> None:
    """Move the outputs of an executed copy into the committed notebook and stamp it; its defaults stay.

    Views of widgets are left out: without their kernel they show nothing but an error, and their state would fill the
    file. What they showed is there as a still picture. What answers a prediction is folded.

    Args:
        executed: Copy that `run_notebook` or papermill has run.
        path: Notebook that it is a copy of.
        facts: Facts to keep of the run, such as preset and minutes.

    Raises:
        InputError: if the code of the two differs or the copy holds an error.
    """
    source, copy = load(path), load(executed)
    pairs = list(zip(code_cells(source), code_cells(copy)))
    if [meaning(cell.source) for cell in code_cells(source)] != [meaning(cell.source) for cell in code_cells(copy)]:
        raise InputError(f"{str(executed)!r} was run from other code than {Path(path).name} holds now; run it again.")
    if errors := stored_errors(copy):
        raise InputError(f"{str(executed)!r} holds an error ({errors[0]}); mend it and run it again.")
    for number, (cell, done) in enumerate(pairs, 1):
        cell.outputs = [output for output in done.outputs if WIDGET_VIEW not in output.get("data", {})]
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    source.metadata.pop("widgets", None)
    fold_outcomes(source)
    save_notebook(source, path)
    stamp(path, **facts)


def stored_errors(notebook) -> list[str]:
    """Find errors in a notebook's outputs and in the state of its widgets, whose errors stop nothing."""
    outputs, alerts = [output for cell in notebook.cells for output in cell.get("outputs", ())], []
    for state in notebook.metadata.get("widgets", {}).values():
        for model in state.get("state", {}).values():
            outputs.extend(model.get("state", {}).get("outputs", ()))
            alerts += ALERT.findall(str(model.get("state", {}).get("value", "")))
    errors = [f"{output.get('ename')}: {output.get('evalue')}" for output in outputs
              if output.get("output_type") == "error"] + [re.sub("<[^>]+>", "", alert) for alert in alerts]
    texts = ("".join(output.get("text", "")) for output in outputs if output.get("output_type") == "stream")
    return errors + [text.strip().splitlines()[-1] for text in texts if WARNED.search(text)]


def _tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def _files_read(source: str) -> Iterator[Path]:
    """Find the committed files that a cell reads; lines for IPython itself are skipped."""
    finders = {"read_results": find_results, "stored_results": find_results, "read_measurements": find_measurements}
    for node in ast.walk(ast.parse(_without_magic(source)[0])):
        if not isinstance(node, ast.Call):
            continue
        finder = finders.get(getattr(node.func, "id", getattr(node.func, "attr", "")))
        if finder is not None:
            if not (node.args and all(isinstance(name, ast.Constant) for name in node.args)):
                raise InputError(f"{ast.unparse(node)!r} reads results whose name is not a literal; write the name "
                                 "out, so that stale outputs are noticed.")
            yield from finder(*(name.value for name in node.args if isinstance(name, ast.Constant)))
