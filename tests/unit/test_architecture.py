"""The directions of dependency that DESIGN promises: code that goes to live in the wrong room fails here."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway import VERSION

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("storage/**/*.py")])
CONCRETE = {"storage.sqlite", "storage.postgres", "storage.opening"}
# Who may import whom, room by room; a room not named here may import any use case and storage.
ROOMS = {
    "storage": {"storage"},
    "gateway.webpush": {"gateway.webpush"},
    "gateway.openfiles": {"gateway.openfiles", "gateway.errors", "gateway.logs"},
}
# The outer rooms never know of one another: only gateway.app (and the commands it serves) puts them together.
OUTER = ("gateway.api", "gateway.delivery", "gateway.dispatch", "gateway.scheduler")
WIRING = ("gateway.app", "gateway.__main__", "gateway.commands")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """Absolute names of the modules of ours that a file imports, at any depth of its code."""
    module = name_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    known = {name_of(p) for p in MODULES}
    return {name for name in found if name in known}


def inside(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def test_there_are_modules_to_check() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_the_rooms_it_may_enter(path: Path) -> None:
    module = name_of(path)
    imported = imports_of(path) - {"gateway", "storage"} if module != "storage" else imports_of(path)
    for room, allowed in ROOMS.items():
        if inside(module, room):
            strangers = {name for name in imported if not any(inside(name, ok) for ok in allowed)}
            assert not strangers, f"{module} may not import {strangers}"
    for room in OUTER:
        if inside(module, room):
            others = {name for name in imported for other in OUTER if other != room and inside(name, other)}
            assert not others, f"{module} may not import {others}: only gateway.app puts rooms together"
    if not inside(module, "storage") and not any(inside(module, room) for room in WIRING):
        assert not imported & CONCRETE, f"{module} names a concrete database: only gateway.app may"
        assert not any(inside(name, room) for name in imported for room in WIRING), f"{module} imports wiring"


def test_the_code_knows_its_version_without_being_installed() -> None:
    """As in the container, where only the dependencies are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert not [name_of(path) for path in MODULES if "importlib.metadata" in path.read_text()]


def test_use_cases_do_not_import_the_rooms_that_call_them() -> None:
    for path in MODULES:
        module = name_of(path)
        if module.count(".") == 1 and module.startswith("gateway.") and module not in WIRING:
            callers = {name for name in imports_of(path) if any(inside(name, room) for room in OUTER)}
            if path.name != "__init__.py":
                assert not callers, f"{module} imports {callers}: data flows api -> use case -> storage"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name_of(path): imports_of(path) for path in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module in done:
            return
        for name in graph[module]:
            # A package's __init__ gathers its own modules' names: they may name each other through it.
            if name != module and not inside(module, name):
                visit(name, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", ["storage", "gateway.webpush"])
def test_the_bottom_rooms_load_without_the_rest(module: str) -> None:
    code = (
        f"import sys, {module}; own = [m for m in sys.modules if m.startswith(('gateway', 'storage'))];"
        f"print(sorted(m for m in own if not m.startswith('{module}') and m != 'gateway'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_stays_below_four_hundred_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
