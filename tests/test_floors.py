"""The architecture: imports go down only, the plain side knows no torch, and rooms stay small."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "layergram"
FLOORS = {
    "errors": 0,
    "lazy": 0,
    "progress": 0,
    "terminal": 0,
    "maps": 1,
    "statistics": 1,
    "tokens": 1,
    "measure_names": 1,
    "recipe": 2,
    "cell_tokens": 4,
    "token_sources": 3,
    "storage": 2,
    "models": 2,
    "engine": 3,
    "execution": 3,
    "measures": 4,
    "tracing": 5,
    "datasets": 5,
    "answers": 6,
    "features": 6,
    "probes": 6,
    "interventions": 6,
    "figures": 3,
    "words": 3,
    "pages": 3,
    "export": 7,
    "notebook": 8,
    "experiments": 8,
    "app": 9,
    "cli": 10,
    "__init__": 11,
    "__main__": 12,
}
PLAIN = ["errors", "maps", "statistics", "tokens", "recipe", "storage", "figures", "words", "pages"]
PLAIN_COMMANDS = [
    "cli/__init__.py",
    "cli/draw.py",
    "cli/describe.py",
    "cli/diff.py",
    "cli/verify.py",
]
HEAVY = ("torch", "transformers", "accelerate", "gguf")
LONGEST = 400
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """Every module that a source imports, at any depth, and whether only for type checkers."""
    tree = ast.parse(source)
    for_types = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for branch in node.body
        for child in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: -node.level + 1 or None] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{start}.{alias.name}"
                inside = start == "layergram" or whole in MODULES
                yield (whole if inside else start), node in for_types
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), False


def imports_of(path: Path) -> list[tuple[str, bool]]:
    package = module_of(path if path.stem == "__init__" else path.parent / "__init__.py")
    return list(imports(path.read_text(encoding="utf-8"), package))


def test_the_reader_of_imports_sees_every_kind():
    source = (
        "import torch.nn as nn\n"
        "from layergram import maps, figures\n"
        "from . import registry\n"
        "from ..words import page\n"
        "if TYPE_CHECKING:\n    import xarray\n"
        "def f():\n    from layergram.cli import main\n"
        "    importlib.import_module('layergram.app')\n"
    )
    assert list(imports(source, "layergram.measures")) == [
        ("torch.nn", False),
        ("layergram.maps", False),
        ("layergram.figures", False),
        ("layergram.measures.registry", False),
        ("layergram.words.page", False),
        ("xarray", True),
        ("layergram.cli", False),
        ("layergram.app", False),
    ]


def test_every_room_has_a_floor():
    assert {room_of(path) for path in FILES} <= set(FLOORS)


def test_imports_go_down_only():
    upwards = []
    for path in FILES:
        room = room_of(path)
        for name, _ in imports_of(path):
            parts = [*name.split("."), ""]
            known = parts[0] == "layergram" and parts[1] in FLOORS
            if known and parts[1] != room and FLOORS[parts[1]] >= FLOORS[room]:
                upwards.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not upwards


def test_no_files_import_each_other_in_a_circle():
    """Not for type checkers either; a cycle is in the error."""
    graph = {
        module: {name for name, _ in imports_of(path)} & MODULES - {module}
        for path in FILES
        for module in [module_of(path)]
    }
    assert sum(map(len, graph.values())) > len(graph)
    TopologicalSorter(graph).prepare()


def test_the_plain_side_names_no_torch():
    heavy = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in FILES
        if room_of(path) in PLAIN or str(path.relative_to(SOURCE)) in PLAIN_COMMANDS
        for name, for_types in imports_of(path)
        if name.split(".")[0] in HEAVY and not for_types
    ]
    assert not heavy


def test_the_plain_side_runs_without_torch():
    rooms = [room for room in PLAIN if (SOURCE / room).exists() or (SOURCE / f"{room}.py").exists()]
    lines = [f"import layergram.{room}" for room in rooms]
    lines += [
        "import layergram, sys",
        "from layergram.cli import draw, describe, diff",
        "from layergram import figures, maps, words",
        "m = maps.make([[0.1, 0.2], [0.3, 0.4]], ('layer', 'token'), measure='divergence')",
        "figures.draw(m)",
        "words.describe(m)",
        "maps.difference(m, m)",
        f"print(sorted(set({HEAVY}) & set(sys.modules)))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_everything_public_has_a_docstring():
    bare = []
    for package in sorted(SOURCE.rglob("__init__.py")):
        module = importlib.import_module(module_of(package))
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if (inspect.isclass(thing) or inspect.isroutine(thing)) and not inspect.getdoc(thing):
                bare.append(f"{module.__name__}.{name}")
    assert not bare


def test_no_room_is_too_large():
    long = {
        str(path.relative_to(ROOT)): count
        for path in FILES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert not long, "look for the second room in it"


def test_no_file_knows_the_machine_that_it_was_written_on():
    listed = subprocess.run(
        ["git", "ls-files", "--cached"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no git checkout")
    pattern = re.compile(rb"(?<![\w.~])/(?:home|Users|root|work|tmp)/\w")
    known = {Path(__file__).name}
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and path.name not in known:
            data = path.read_bytes()
            if b"\0" not in data and (hit := pattern.search(data)):
                found.append(f"{name}: {hit[0].decode()}")
    assert not found
