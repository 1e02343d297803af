"""Builds ``dist/kenshin-budget-lambda.zip``: the budget check with what it needs, on the standard library alone.

    make lambda

Nothing is downloaded. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
WHOLE = ("budget", "signals")
"""Folders of the package that are needed as they are: some of their modules are loaded only when they are called."""

ROOTS = ("kenshin.runtime", "kenshin.backends.local.documents", "kenshin.backends.local.emf")
"""What is opened besides; with each module comes what it imports when it is loaded."""

EPOCH = (1980, 1, 1, 0, 0, 0)


def path_of(module: str) -> Path | None:
    """The file of a module of the package; None where it is none."""
    base = PLUGINS.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def imported(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports when it is loaded."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def needed() -> list[Path]:
    """The files of the zip, sorted."""
    folders = [PLUGINS / "kenshin" / name for name in WHOLE]
    found = {path for folder in folders for path in folder.rglob("*.json")}
    waiting = list(ROOTS)
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        waiting.append(".".join(path.relative_to(PLUGINS).with_suffix("").parts).removesuffix(".__init__"))
    while waiting:
        module = waiting.pop()
        path = path_of(module) if module.partition(".")[0] == "kenshin" else None
        if path is None or path in found:
            continue
        found.add(path)
        waiting += [*imported(path), module.rpartition(".")[0]]
    return sorted(found)


def build(target: Path) -> list[Path]:
    """Write the zip; answers the files that are in it."""
    files = needed()
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(PLUGINS).as_posix(), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
    return files


def main() -> None:
    """Build, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path, nargs="?", default=Path("dist/kenshin-budget-lambda.zip"))
    target = parser.parse_args().target
    files = build(target)
    sys.stdout.write(f"{target}: {len(files)} files, {target.stat().st_size / 1024:.0f} KB\n")


if __name__ == "__main__":
    main()
