"""Which package files can change a job's bytes: the imports reached from the modules that it runs."""

from __future__ import annotations

import ast
import functools
import gc
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wsol.errors import DataError, ParameterError
from wsol.files import sha256_file

OBSERVERS = {
    "wsol.tracking": "reads what a job measures and stores a copy elsewhere; no result is read from there",
    "wsol.provenance": "hashes a job's files and renames them into place; it never touches their contents",
    "wsol.progress": "prints how far a job has come",
    "wsol.config.roots": "names the code of every layer, for the workflow and for the sidecar",
    "wsol.cli.entry": "starts every verb and prints its errors",
    "wsol.lineage": "ends a job whose run is gone",
    "wsol.warm": "chooses the process in which a verb does its work",
}
"""Packages and modules where the walk stops, with the reason why an edit there cannot change a job's bytes."""

_OWN_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class _Import:
    """One import statement: `import module` if `names` is empty, else `from (level dots)module import names`."""

    module: str
    names: tuple[str, ...]
    level: int


DEVICE_SOURCES = (".cu", ".cuh")


@dataclass(frozen=True)
class _Closure:
    files: tuple[Path, ...]
    external: frozenset[str]


def code_closure(
    *modules: str,
    package_root: str | os.PathLike[str] | None = None,
    observers: Collection[str] = tuple(OBSERVERS),
) -> list[str]:
    """Paths of the package files that the named modules reach by imports, themselves included.

    Counts imports at module and at function level, absolute and relative, `from package import submodule`, and the
    `__init__.py` of every package on the way. Leaves out imports under `if TYPE_CHECKING:`, other distributions, and
    `observers`. An import by name at run time (`importlib.import_module`) cannot be seen: name that module here. CUDA
    sources in the folder of such a file count with it.

    `package_root` is the folder that holds the package (default: the one `wsol` was imported from). Returns sorted
    posix paths relative to that folder's parent, such as `src/wsol/metrics/boxes.py`.

    Raises ParameterError for a module that does not exist or is an observer, DataError for a file with a syntax error.
    """
    root = _package_root(package_root)
    return sorted(file.relative_to(root.parent).as_posix() for file in _walk(modules, root, observers).files)


def external_packages(*modules: str, package_root: str | os.PathLike[str] | None = None) -> list[str]:
    """Top-level names of the third-party packages that the closure imports, sorted."""
    found = _walk(modules, _package_root(package_root), tuple(OBSERVERS)).external
    return sorted(name for name in found if name not in sys.stdlib_module_names)


def code_hashes(paths: Iterable[str], package_root: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """SHA-256 of each path that `code_closure` returned."""
    checkout = _package_root(package_root).parent
    return {path: sha256_file(checkout / path) for path in paths}


def code_file(path: str, package_root: str | os.PathLike[str] | None = None) -> Path:
    """Where a path that `code_closure` returned lies on this machine."""
    return _package_root(package_root).parent / path


def _package_root(package_root: str | os.PathLike[str] | None) -> Path:
    return _OWN_ROOT if package_root is None else Path(package_root).resolve()


def _walk(modules: Iterable[str], root: Path, observers: Collection[str]) -> _Closure:
    named = list(modules)
    for module in named:
        _check_named(module, root, observers)
    own = {module.partition(".")[0] for module in named}
    pending, seen = named, set[str]()
    files: list[Path] = []
    external: set[str] = set()
    while pending:
        module = pending.pop()
        top = module.partition(".")[0]
        if top not in own:
            external.add(top)
            continue
        if module in seen or _is_below(module, observers):
            continue
        seen.add(module)
        if "." in module:
            pending.append(module.rpartition(".")[0])
        file = _find(module, root)
        if file is None or file.is_dir():
            continue
        files.append(file)
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        for statement in _imports_of(file):
            pending.extend(_targets(statement, package))
    files += {source for folder in {file.parent for file in files} for source in _device_sources(folder)}
    return _Closure(tuple(files), frozenset(external))


def _device_sources(folder: Path) -> Iterator[Path]:
    """Code for another compiler, which a module beside it reads: no import shows it."""
    return (path for path in folder.iterdir() if path.suffix in DEVICE_SOURCES)


def _check_named(module: str, root: Path, observers: Collection[str]) -> None:
    if _find(module, root) is None:
        raise ParameterError(
            f"{module}: no such module below {root}; code roots are dotted names such as wsol.metrics.boxes"
        )
    if _is_below(module, observers):
        raise ParameterError(
            f"{module}: an observer, so no job's bytes depend on it; leave it out of the job's code roots"
        )


def _is_below(module: str, packages: Collection[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _find(module: str, root: Path) -> Path | None:
    """The file of a module; the folder of a package without `__init__.py`; None if there is neither."""
    stem = os.path.join(root, *module.split("."))  # noqa: PTH118 - called for every imported name; pathlib is slow
    for candidate in (os.path.join(stem, "__init__.py"), f"{stem}.py"):  # noqa: PTH118
        if os.path.isfile(candidate):  # noqa: PTH113
            return Path(candidate)
    return Path(stem) if os.path.isdir(stem) else None  # noqa: PTH112


def _targets(statement: _Import, package: str) -> Iterator[str]:
    """Dotted names that a statement may import; those that are no module are dropped when they are looked for."""
    module = statement.module
    if statement.level:
        base = package.split(".")[: len(package.split(".")) - (statement.level - 1)]
        module = ".".join([*base, *([module] if module else [])])
    if not module:
        return
    yield module
    yield from (f"{module}.{name}" for name in statement.names if name != "*")


def _imports_of(file: Path) -> tuple[_Import, ...]:
    try:
        return _parse_imports(file.read_bytes())
    except SyntaxError as error:
        raise DataError(f"{file}: line {error.lineno}: not valid Python ({error.msg}); mend it first") from error


@functools.lru_cache(maxsize=4096)
def _parse_imports(source: bytes) -> tuple[_Import, ...]:
    """Import statements of a module, kept for each text seen: so an edit is noticed whatever its time stamp says."""
    collecting = gc.isenabled()
    gc.disable()  # the collector triples the time of a parse, since a syntax tree is all small live objects
    try:
        return tuple(_statements(ast.parse(source).body))
    finally:
        if collecting:
            gc.enable()


def _statements(body: Iterable[ast.stmt]) -> Iterator[_Import]:
    """Imports in a block and in the blocks below it. Only statements are visited: no expression holds an import."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name, (), 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield _Import(node.module or "", tuple(alias.name for alias in node.names), node.level)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            yield from _statements(node.orelse)
        else:
            for block in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, block, ()))
            for holder in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                yield from _statements(holder.body)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"
