"""Whether every artefact is what its sidecar says, and whether it would come out the same if it were made now.

Contents alone count. Time stamps are never read: unpacking an archive or `snakemake --touch` changes those, not this.
"""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wsol.errors import DataError, WsolError
from wsol.files import sha256_bytes
from wsol.locations import raw_data_root
from wsol.provenance.closure import code_closure, code_file
from wsol.provenance.paths import SIDECAR_SUFFIX, hash_path, is_external, logical_path, physical_path, repo_root
from wsol.provenance.sidecar import Record, Sidecars

KINDS = (
    "stale-input",
    "stale-code",
    "stale-parameters",
    "changed-output",
    "missing-output",
    "missing-input",
    "unexplained",
    "duplicate",
)
_RESOLVED = re.compile(r"results/[^/]+/params/.+\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class Problem:
    """One artefact that cannot be trusted. `file` is what changed; `via` the stale artefact in between, if any."""

    artefact: str
    kind: str
    file: str
    message: str
    remedy: str
    via: str | None = None


@dataclass
class Report:
    """What was checked. `problems` make verification fail; `warnings` do not."""

    artefacts: int = 0
    jobs: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def verify(
    roots: Sequence[Path],
    parameter_texts: Mapping[str, str] | None = None,
    *,
    ignore: Sequence[str] = (),
    allow_missing_raw: bool = False,
    root: Path | None = None,
    package_root: str | os.PathLike[str] | None = None,
) -> Report:
    """Check every artefact below `roots` (folders or single artefacts) against its sidecar and what it was made from.

    `parameter_texts` gives for a resolved parameter file (results/<scale>/params/**.json) the text, or the SHA-256 of
    the text, that params/*.yaml yield now; without it those files are compared as they lie on disk. Jobs upstream of
    the roots are followed, so that an artefact made from a stale one is reported, once, with the root cause. `ignore`
    holds globs, against the repository-relative path or the name, of files that need no sidecar.
    """
    begin = time.perf_counter()
    base = root or repo_root()
    sidecars = Sidecars(base)
    for folder in roots:
        if not folder.exists():
            raise DataError(f"{folder}: no such file or folder; nothing to verify there")
        if folder.is_dir():
            sidecars.add_tree(folder)
        else:
            sidecars.producer(logical_path(folder, base))
    chosen = [_Scope(folder, base) for folder in roots]
    checked = {name for name, record in sidecars.records.items() if _any_within(chosen, record.outputs)}
    jobs = _with_upstream(checked, sidecars)
    checker = _Checker(sidecars, base, package_root, parameter_texts, allow_missing_raw)
    checker.hash_all(jobs)
    findings = [*_unexplained(roots, sidecars, base, ignore), *_broken(sidecars, chosen), *_duplicates(sidecars)]
    warnings: list[Problem] = []
    for name in sorted(checked):
        problems, mild = checker.problems_of(name)
        findings.extend(problems)
        warnings.extend(mild)
    within = [problem for problem in findings if _any_within(chosen, [problem.artefact])]
    outputs = {path for name in checked for path in sidecars.records[name].outputs if _any_within(chosen, [path])}
    return Report(len(outputs), len(checked), time.perf_counter() - begin, sorted(set(within), key=_order), warnings)


class _Scope:
    """A root that the caller asked about: everything below it, or one file."""

    def __init__(self, path: Path, base: Path) -> None:
        self._name = logical_path(path, base)

    def holds(self, artefact: str) -> bool:
        return self._name == "." or artefact == self._name or artefact.startswith(f"{self._name}/")


def _any_within(scopes: Iterable[_Scope], artefacts: Iterable[str]) -> bool:
    return any(scope.holds(artefact) for artefact in artefacts for scope in scopes)


def _order(problem: Problem) -> tuple[bool, str, str, str]:
    return problem.via is not None, problem.artefact, problem.kind, problem.file


def _with_upstream(names: Iterable[str], sidecars: Sidecars) -> set[str]:
    reached, pending = set[str](), list(names)
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached.add(name)
        producers = (sidecars.producer(path) for path in sidecars.records[name].inputs)
        pending.extend(producer for producer in producers if producer is not None)
    return reached


class _Checker:
    """Compares jobs with the present; every file is hashed once."""

    def __init__(
        self,
        sidecars: Sidecars,
        root: Path,
        package_root: str | os.PathLike[str] | None,
        parameter_texts: Mapping[str, str] | None,
        allow_missing_raw: bool,
    ) -> None:
        self._sidecars = sidecars
        self._root = root
        self._package_root = package_root
        self._texts = parameter_texts
        self._allow_missing_raw = allow_missing_raw
        self._hashes: dict[Path, str | None] = {}
        self._expected_hashes: dict[str, str | None] = {}
        self._closures: dict[tuple[str, ...], list[str] | str] = {}
        self._direct: dict[str, list[Problem]] = {}
        self._causes: dict[str, Problem | None] = {}

    def hash_all(self, names: Iterable[str]) -> None:
        """Hash in parallel whatever `problems_of` will ask for."""
        paths: set[Path] = set()
        for record in (self._sidecars.records[name] for name in names):
            paths.update(physical_path(path, self._root) for path in (*record.outputs, *record.inputs))
            paths.update(code_file(path, self._package_root) for path in record.code)
        with ThreadPoolExecutor(min(32, (os.cpu_count() or 1) * 2)) as pool:
            self._hashes.update(zip(paths, pool.map(_hash_or_none, paths), strict=True))

    def problems_of(self, name: str) -> tuple[list[Problem], list[Problem]]:
        """Problems and warnings of one job; an artefact with none of its own inherits the first one upstream."""
        record = self._sidecars.records[name]
        own = [*self._output_problems(record), *self._job_problems(name)]
        warnings = [problem for problem in own if self._is_mild(problem)]
        problems = [problem for problem in own if problem not in warnings]
        cause = self._upstream_cause(name, frozenset())
        if cause is None:
            return problems, warnings
        explained = {problem.artefact for problem in problems}
        source = cause.via or cause.artefact
        inherited = [
            Problem(
                artefact,
                "stale-input",
                cause.file,
                f"made from {source}, which is stale ({cause.kind}: {cause.file})",
                f"repair {cause.artefact} first, then {_remake(artefact)}",
                source,
            )
            for artefact in record.outputs
            if artefact not in explained
        ]
        return [*problems, *inherited], warnings

    def _is_mild(self, problem: Problem) -> bool:
        return self._allow_missing_raw and problem.kind == "missing-input" and is_external(problem.file)

    def _hash(self, path: Path) -> str | None:
        if path not in self._hashes:
            self._hashes[path] = _hash_or_none(path)
        return self._hashes[path]

    def _output_problems(self, record: Record) -> Iterator[Problem]:
        for path, digest in record.outputs.items():
            now = self._hash(physical_path(path, self._root))
            if now is None:
                yield Problem(path, "missing-output", path, "its sidecar is there but the file is gone", _remake(path))
            elif now != digest:
                message = f"the file was changed after its job wrote it (sha256 {now[:8]}, recorded {digest[:8]})"
                yield Problem(path, "changed-output", path, message, f"rm {path} && {_remake(path)}")

    def _job_problems(self, name: str) -> list[Problem]:
        if name not in self._direct:
            record = self._sidecars.records[name]
            found = [*self._input_findings(record), *self._code_findings(record)]
            self._direct[name] = [
                Problem(artefact, kind, file, message, _remake(artefact))
                for artefact in record.outputs
                for kind, file, message in found
            ]
        return self._direct[name]

    def _input_findings(self, record: Record) -> Iterator[tuple[str, str, str]]:
        for path, digest in record.inputs.items():
            if self._texts is not None and _RESOLVED.fullmatch(path):
                yield from _parameter_findings(path, digest, self._expected(path))
                continue
            now = self._hash(physical_path(path, self._root))
            if now is None:
                where = physical_path(path, self._root)
                hint = f" ({where}; set WSOL_DATA to where the data sets are)" if path.startswith("raw:") else ""
                yield "missing-input", path, f"it was made from this file, which is not here{hint}"
            elif now != digest:
                yield "stale-input", path, f"it was made from sha256 {digest[:8]}; the file now has {now[:8]}"

    def _expected(self, path: str) -> str | None:
        """SHA-256 that a resolved parameter file must have now, or None if there should be no such file."""
        if path not in self._expected_hashes:
            text = (self._texts or {}).get(path)
            is_hash = text is None or _SHA256.fullmatch(text)
            self._expected_hashes[path] = text if is_hash else sha256_bytes(str(text).encode("utf-8"))
        return self._expected_hashes[path]

    def _code_findings(self, record: Record) -> Iterator[tuple[str, str, str]]:
        closure = self._closure(tuple(record.code_roots))
        if isinstance(closure, str):
            yield "stale-code", ", ".join(record.code_roots), f"the code that made it cannot be found now: {closure}"
            return
        for path in sorted(set(closure) | set(record.code)):
            if path not in record.code:
                yield "stale-code", path, "the code now imports this file, and did not when it was made"
            elif path not in closure:
                yield "stale-code", path, "the code imported this file when it was made, and does not now"
            elif self._hash(code_file(path, self._package_root)) != record.code[path]:
                yield "stale-code", path, "the code was edited after it was made"

    def _closure(self, roots: tuple[str, ...]) -> list[str] | str:
        if roots not in self._closures:
            try:
                self._closures[roots] = code_closure(*roots, package_root=self._package_root)
            except WsolError as error:
                self._closures[roots] = str(error)
        return self._closures[roots]

    def _cause(self, name: str, above: frozenset[str]) -> Problem | None:
        """Why a job would not give the same bytes now: its own first problem, or that of the nearest job upstream."""
        own = next((problem for problem in self._job_problems(name) if not self._is_mild(problem)), None)
        return own or self._upstream_cause(name, above)

    def _upstream_cause(self, name: str, above: frozenset[str]) -> Problem | None:
        if name in self._causes:
            return self._causes[name]
        cause = None
        for path in sorted(self._sidecars.records[name].inputs):
            producer = self._sidecars.producer(path)
            if producer is None or producer in above or producer == name:
                continue
            found = self._cause(producer, above | {name})
            if found is not None:
                cause = Problem(found.artefact, found.kind, found.file, found.message, found.remedy, path)
                break
        self._causes[name] = cause
        return cause


def _parameter_findings(path: str, digest: str, expected: str | None) -> Iterator[tuple[str, str, str]]:
    if expected is None:
        yield "stale-parameters", path, "params/*.yaml no longer describe this cell; delete it, or put the entry back"
        return
    if expected != digest:
        yield "stale-parameters", path, "params/*.yaml or the installed versions now give it other settings"


def _hash_or_none(path: Path) -> str | None:
    return hash_path(path) if path.exists() else None


def _remake(artefact: str) -> str:
    return f"snakemake --cores all {artefact} --force"


def _broken(sidecars: Sidecars, scopes: Sequence[_Scope]) -> Iterator[Problem]:
    for name, message in sidecars.broken.items():
        if _any_within(scopes, [name]):
            yield Problem(name, "unexplained", name, message, f"rm {name}, and make its artefacts again")


def _duplicates(sidecars: Sidecars) -> Iterator[Problem]:
    for artefact, names in sidecars.claims.items():
        if len(names) > 1:
            message = f"claimed by {len(names)} sidecars: {', '.join(names)}"
            yield Problem(artefact, "duplicate", names[1], message, f"rm {' '.join(names)} && {_remake(artefact)}")


def _unexplained(roots: Iterable[Path], sidecars: Sidecars, base: Path, ignore: Sequence[str]) -> Iterator[Problem]:
    raw = os.path.realpath(base / raw_data_root())
    for folder in roots:
        for path in _artefacts_below(folder, raw):
            name = logical_path(path, base)
            ignored = any(fnmatch.fnmatch(name, glob) or fnmatch.fnmatch(path.name, glob) for glob in ignore)
            if not ignored and not _RESOLVED.fullmatch(name) and sidecars.producer(name) is None:
                message = "no sidecar says where it came from"
                yield Problem(name, "unexplained", name, message, f"rm {name}, or make it anew: {_remake(name)}")


def _artefacts_below(folder: Path, raw: str) -> Iterator[Path]:
    """Files below a folder (or the file itself) that must have a sidecar, by their place and name."""
    if folder.is_file():
        if not folder.name.endswith(SIDECAR_SUFFIX):
            yield folder
        return
    for current, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and os.path.realpath(Path(current, name)) != raw
        ]
        for name in sorted(files):
            if not name.startswith(".") and not name.endswith(SIDECAR_SUFFIX):
                yield Path(current, name)
