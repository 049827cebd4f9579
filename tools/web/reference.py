"""Pages of the reference: each folder of the package a page, each public name once, and an index of all."""
from __future__ import annotations

import ast
from pathlib import Path

import semdepth_lite

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "semdepth_lite"
FOLDERS = {
    "method": "The method", "semantics": "Semantics", "borders": "Borders", "street": "The street", "data": "Data",
    "metrics": "Metrics", "training": "Training", "evaluation": "Evaluation", "experiments": "Experiments",
    "figures": "Figures", "course": "The course", "common": "What all files share", "commands": "Command line",
}


def files_of(folder: str) -> list[Path]:
    """List the files that a page of the reference describes; `method` stands for those at the root."""
    paths = PACKAGE.glob("[!_]*.py") if folder == "method" else (PACKAGE / folder).rglob("*.py")
    return sorted(path for path in paths if path.name != "__main__.py")


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def functions_of(path: Path) -> list[str]:
    """List the public functions and classes that a file defines and describes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
            and not node.name.startswith("_") and ast.get_docstring(node)]


def constants_of(path: Path) -> dict[str, str]:
    """List the public constants of a file, each with the comment behind it."""
    text = path.read_text(encoding="utf-8")
    lines, found = text.splitlines(), {}
    for node in ast.parse(text).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for target in targets if isinstance(node, (ast.Assign, ast.AnnAssign)) else ():
            if isinstance(target, ast.Name) and target.id.isupper() and not target.id.startswith("_"):
                _, mark, comment = lines[node.lineno - 1].partition("  # ")
                found[target.id] = comment.split("  # ")[0].removeprefix("noqa") if mark else ""
    return found


def constant(module: str, name: str, comment: str) -> str:
    """Write a constant's entry in reStructuredText."""
    words = comment.replace("\\", "").replace("*", r"\*").replace("|", r"\|").replace("`", "``")
    return f".. py:data:: {name}\n   :module: {module}\n" + (f"\n   {words}\n" if words else "")


def page(folder: str) -> str:
    """Write a page of the reference: each module with its functions, classes and constants."""
    parts = [f"# {FOLDERS[folder]}\n"]
    for path in files_of(folder):
        module = module_of(path)
        constants = "\n".join(constant(module, *each) for each in constants_of(path).items())
        parts.append(f"## {module.removeprefix('semdepth_lite.')}\n\n```{{eval-rst}}\n.. automodule:: {module}\n"
                     f"   :members:\n   :ignore-module-all:\n\n{constants}```\n")
    return "\n".join(parts)


def links(names: list[str]) -> str:
    """Write a line of links to functions and classes, given by their full names."""
    return ", ".join(f"{{py:obj}}`{name.rsplit('.', 1)[1]} <{name}>`" for name in names)


def index() -> str:
    """Write the reference's first page: the names of `import semdepth_lite`, then all of them, by folder."""
    short = [f"semdepth_lite.{home}.{name}" for name, home in sorted(semdepth_lite._HOMES.items())]
    parts = ["# Reference\n", f"What `import semdepth_lite` offers: {links(short)}.\n"]
    for folder, title in FOLDERS.items():
        parts.append(f"## [{title}]({folder}.md)\n")
        for path in files_of(folder):
            module = module_of(path)
            names = links([f"{module}.{name}" for name in functions_of(path)])
            if names:
                parts.append(f"- **{module.removeprefix('semdepth_lite.')}**: {names}")
        parts.append("")
    return "\n".join(parts)
