"""The project as a whole: imports, one list of dependencies, pages, and the house rules that a machine can check."""
from __future__ import annotations

import ast
import importlib.util
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from semdepth_lite.experiments import results
from semdepth_lite.experiments.results import Result
from tools import pages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "semdepth_lite"
FILES = sorted(PACKAGE.rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = [*pages.find_pages(), ROOT / "CONTRIBUTING.md"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked(*endings: str) -> list[Path]:
    """Files under version control with one of the endings; all of the checkout where git is not at hand."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        paths = [ROOT / name for name in done.stdout.splitlines()]
    else:
        paths = sorted(ROOT.rglob("*"))
    return [path for path in paths if path.is_file() and path.name.endswith(endings)]


def command(name: str) -> str:
    """The README's command under the mark NAME."""
    found = re.search(rf"<!-- command: {name} -->\n```bash\n(.+)\n```", README)
    assert found, f"README.md marks no command {name}"
    return found[1]


# Layers

def test_imports_point_downward(monkeypatch):
    linter = pytest.importorskip("importlinter.cli", reason="import-linter is not installed; it is in the extra 'test'")
    monkeypatch.setattr(linter.logging_config, "dictConfig", lambda _: None)  # it would silence every other logger
    status = linter.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert status == linter.EXIT_STATUS_SUCCESS


# Import

def modules() -> list[str]:
    names = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in FILES]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.mark.slow
def test_import_is_light_and_changes_nothing(tmp_path):
    code = f"""
import os, random, sys
import numpy, torch
sys.path.insert(0, {str(ROOT)!r})
before = (dict(os.environ), random.getstate(), torch.get_num_threads(), torch.get_default_dtype())
torch_state, numpy_state = torch.get_rng_state(), numpy.random.get_state()[1].copy()
import semdepth_lite
for name in {modules()!r}:
    __import__(name)
assert (dict(os.environ), random.getstate(), torch.get_num_threads(), torch.get_default_dtype()) == before
assert torch.equal(torch.get_rng_state(), torch_state) and (numpy.random.get_state()[1] == numpy_state).all()
heavy = {{'matplotlib', 'ipywidgets', 'torchvision', 'papermill', 'IPython', 'nbformat'}} & set(sys.modules)
assert not heavy, f'imported without being used: {{heavy}}'
"""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=work, capture_output=True, text=True,
                          env={"HOME": str(home), "PATH": "", "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("module", ["semdepth_lite.__main__", "semdepth_lite.street.cache"])
def test_help_and_rendering_do_without_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# One list of dependencies

def names(requirements) -> set[str]:
    """Names of required packages; an extra may name this package with another extra."""
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements} - {"semdepth-lite"}


def dependencies() -> set[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return names(PROJECT["project"]["dependencies"]).union(*map(names, extras))


def test_each_dependency_has_its_reason():
    table = CONTRIBUTING.split("## What it is built on")[1].split("\n## ")[0]
    reasons = dict(re.findall(r"^\| ([\w-]+) \| (.+) \|$", table.split("| --- | --- |")[1], re.M))
    assert set(reasons) == dependencies()
    assert all(len(reason) > 4 for reason in reasons.values())


@pytest.mark.slow
def test_declared_dependencies_are_those_imported():
    files = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
    imported = {(node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
                for tree in files for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))
                and not getattr(node, "level", 0) for alias in node.names}
    outside = imported - set(sys.stdlib_module_names) - {"semdepth_lite"}
    modules = {"pillow": "PIL", "scikit-image": "skimage"}
    # jupyterlab brings IPython and nbconvert, papermill nbformat, ipywidgets traitlets.
    declared = {modules.get(name, name) for name in dependencies()} | {
        "IPython", "nbconvert", "nbformat", "traitlets"}
    assert outside <= declared, "imported but not declared"


def test_environment_installs_the_same_list():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    packages = [entry for entry in environment if isinstance(entry, str)]
    piped = [entry["pip"] for entry in environment if isinstance(entry, dict)]
    assert packages == ["python" + PROJECT["project"]["requires-python"], "pip"]
    assert piped == [["-e .[test]"]]
    assert command("reproduce").startswith('pip install -e ".[test]" && ')
    assert "environment.yml" in README


def test_torch_has_both_ends_of_its_range():
    for requirement in PROJECT["project"]["dependencies"]:
        if requirement.startswith("torch"):
            assert re.fullmatch(r"torch(vision)?>=[\d.]+,<\d+", requirement), requirement


def test_the_gate_runs_the_readme_s_commands():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    function = gate[gate.index("readme_command() {"):]
    function = function[:function.index("\n}\n") + 3]
    for name in ("reproduce", "test"):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", f"{function}\nreadme_command {name}"], cwd=ROOT,
                              capture_output=True, text=True, check=True)
        assert done.stdout == command(name) + "\n"
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", f"{function}\nreadme_command other"], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode != 0 and "other" in done.stderr
    code = re.sub(r"^\s*#.*$", "", gate, flags=re.M)
    assert "pip install" not in code and all(f'-c "${name}' in code for name in ("install", "tests", "reproduce"))


def test_console_script_and_module_are_one():
    assert PROJECT["project"]["scripts"] == {"semdepth-lite": "semdepth_lite.__main__:main"}
    tree = ast.parse((PACKAGE / "__main__.py").read_text(encoding="utf-8"))
    assert "main" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


# README

def test_two_commands_come_first():
    assert re.findall(r"```bash\n(.+?)\n", README)[:2] == [command("reproduce"), command("test")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pictures_and_links_exist_and_have_words(page):
    text = re.sub(r"```.+?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text):
        assert len(alt) >= 20, f"{target} has no alternative text"
        assert (page.parent / target).is_file(), f"{target} is missing"
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)#]+)\)", text):
        assert (page.parent / target).exists(), f"{target} is missing"


def examples(page: Path) -> list[str]:
    return re.findall(r"```python\n(.+?)```", page.read_text(encoding="utf-8"), re.S)


@pytest.mark.slow
def test_the_readme_trains_and_judges(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMDEPTH_CACHE", str(tmp_path / "cache"))
    (example,) = examples(ROOT / "README.md")
    exec(compile(example, "README.md", "exec"), names := {})
    assert (tmp_path / "runs" / "mine" / "checkpoint.pt").is_file() and not names["model"].training
    shown = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("abs_rel"))
    assert 0 < float(shown["abs_rel"]) < 2


def test_examples_run():
    found = examples(ROOT / "docs" / "examples.md")
    assert len(found) >= 3
    for example in found:
        exec(compile(example, "docs/examples.md", "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize("page", pages.find_pages(), ids=lambda page: page.name)
def test_tables_are_those_of_the_committed_files(page):
    text = page.read_text(encoding="utf-8")
    assert pages.fill(text) == text, "run python -m tools.pages"


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 160


@pytest.mark.slow
def test_result_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    costs = "<!-- benchmarks -->\nold\n<!-- end of benchmarks -->"
    assert pages.fill(costs).splitlines()[1:-1] == ["*No results are committed yet.*"]
    block = "<!-- results: learned,trivial | abs_rel rmse -->\nold\n<!-- end of results -->"
    assert "No results are committed yet" in pages.fill(block)
    Result("learned", {"abs_rel": 0.1, "rmse": 5}, "learned", 1, seed=0).save(tmp_path / "a.json")
    Result("learned", {"abs_rel": 0.2, "rmse": 7}, "learned", 1, seed=1).save(tmp_path / "b.json")
    assert "No results are committed yet" in pages.fill(block)  # one group without a file is enough
    Result("median", {"abs_rel": 0.26}, "trivial", 0).save(tmp_path / "c.json")
    assert pages.fill(block).splitlines()[1:-1] == [
        "| | AbsRel ↓ | RMSE (m) ↓ | seeds |", "| --- | ---: | ---: | ---: |",
        "| median | 0.260 | – | 1 |", "| learned | 0.150 ± 0.071 | 6.000 ± 1.414 | 2 |"]


def test_difference_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    block = "<!-- differences: base,better | abs_rel -->\nold\n<!-- end of results -->"
    for order, (name, values) in enumerate({"base": [0.4, 0.2], "better": [0.2, 0.1]}.items()):
        Result(name, {"abs_rel": values[0]}, name, order, seed=0, scenes=[0, 1],
               values={"abs_rel": values}).save(tmp_path / f"{name}.json")
    assert pages.fill(block).splitlines()[1:-1] == [
        "| against: base | AbsRel ↓ | seeds |", "| --- | ---: | ---: |", "| better | **−50 % [−50, −50]** | 1 |"]


def test_citation_names_both_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    found = {entry["value"] for paper in citation["references"] for entry in paper["identifiers"]}
    assert found == {"arXiv:2012.08048", "arXiv:2102.06685"} and citation["license"] == "MIT"
    assert all(entry.split(":")[1] in README for entry in found)


# House rules

def test_no_place_and_no_registry_is_named():
    place = re.compile(r"(?<![\w.:/$}*)])/(?:home|root|tmp|usr|work|opt|Users)/|\b[A-Z]:\\Users")
    registry = re.compile("|".join(["py" + "pi", "python" + "hosted", "anaconda" + r"\.org", "conda" + "-forge",
                                    "download" + r"\.pytorch"]), re.I)
    for path in tracked(".py", ".md", ".toml", ".yml", ".cff", ".sh", "run", ".gitignore"):
        if path == Path(__file__).resolve() or path.name == "test_notebooks.py":
            continue  # these two hold the patterns
        text = re.sub(r"\A#!.*", "", path.read_text(encoding="utf-8"))
        for pattern in (place, registry):
            assert not (found := pattern.search(text)), f"{path.relative_to(ROOT)} names {found[0]!r}"


def test_no_private_words():
    private = re.compile(r"(?<![a-zA-Z])(?:rooms?|doors?|told|twins?|(?<!museum\.)shelf|witness)(?![a-zA-Z])")
    # museum.shelf and this exhibit's words stand in the lessons; a house of the street has doors
    known = {"museum/__init__.py", "museum/exhibits.py", "test_museum.py", Path(__file__).name}
    for path in tracked(".py"):
        name = path.relative_to(ROOT).as_posix()
        if "street" not in name and not name.endswith(tuple(known)):
            assert not (found := private.search(path.read_text(encoding="utf-8"))), f"{name} holds {found[0]!r}"


def public_definitions(tree):
    """Public functions and classes of a module and their public methods; a class's docstring covers `forward`."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (inner for inner in node.body if isinstance(inner, ast.FunctionDef)
                            and not inner.name.startswith("_") and inner.name not in ("forward", "backward"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_is_documented_and_readable(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the file does not say what it is"
    missing = [node.name for node in public_definitions(tree) if not ast.get_docstring(node)]
    assert not missing, f"without a docstring: {', '.join(missing)}"
    long = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
            and node.end_lineno - node.lineno + 1 - len((ast.get_docstring(node) or "").splitlines()) > 60]
    assert not long, f"longer than 60 lines without their docstring: {', '.join(long)}"
    stars = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"]
    assert not stars


def test_no_file_grows_past_400_lines():
    sizes = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
             for path in tracked(".py")}
    assert not (long := {name: lines for name, lines in sizes.items() if lines > 400}), f"grown past 400 lines: {long}"


def resolves(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_names_in_docstrings_lead_somewhere():
    """A dotted name that begins with a module beside the file, or above it, is there: `figures.image_grid`."""
    quoted = re.compile(r"(?<!`)`([A-Za-z_]\w*)\.([A-Za-z_][\w.]*)`(?!`)")
    for path in FILES:
        inside = [parent for parent in path.parents if PACKAGE in (parent, *parent.parents)]
        places = [".".join(parent.relative_to(ROOT).parts) for parent in inside]
        for module, rest in quoted.findall(path.read_text(encoding="utf-8")):
            known = [f"{place}.{module}" for place in places if importlib.util.find_spec(f"{place}.{module}")]
            assert not known or rest in ("py", "NAME") or any(resolves(f"{each}.{rest}") for each in known), \
                f"{path.relative_to(ROOT)} names `{module}.{rest}`, which is not there"


def test_arguments_are_noun_phrases():
    """What stands after the name of an argument or attribute begins with a capital letter, digit or symbol."""
    listed = re.compile(r"^( *)(?:Args|Attributes):\n((?:\1    .*\n)+)", re.M)
    for path in [*FILES, *sorted((ROOT / "tools").glob("*.py"))]:
        for indent, lines in listed.findall(path.read_text(encoding="utf-8")):
            found = re.search(rf"^{indent}    [\w*][\w*., ]*: [a-z].*", lines, re.M)
            assert not found, f"{path.relative_to(ROOT)}: {found[0].strip()}"


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed; it is in the extra 'test'")
def test_ruff_has_nothing_to_say():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout
