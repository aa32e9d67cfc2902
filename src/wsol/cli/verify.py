"""`wsol verify`: fail, naming the file, where an artefact is not what its sidecar says or would come out otherwise."""

from __future__ import annotations

import argparse
import glob
import json
import subprocess
from pathlib import Path

from wsol.cli.entry import enter
from wsol.provenance.paths import SIDECAR_SUFFIX, repo_root
from wsol.provenance.verify import Problem, Report, verify

DEFAULT_ROOTS = ("data", "results", "reports")
_SHOWN = 8


def main(argv: list[str]) -> int:
    """Returns 0 if everything is verified, 1 if not. Raises DataError if a path does not exist."""
    options = _parser().parse_args(argv)
    report = _verify(options)
    if options.json:
        print(json.dumps(report.as_dict(), indent=1))
    else:
        print("\n".join(_lines(report)))
    return 0 if report.ok and report.jobs else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wsol verify", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="folders or artefacts (default: data results reports)")
    parser.add_argument("--scale", help="everything of one scale, and what belongs to none, instead of paths")
    parser.add_argument("--json", action="store_true", help="print every problem as JSON")
    parser.add_argument("--allow-missing-raw", action="store_true", help="only warn where raw data are not here")
    parser.add_argument("--ignore", action="append", default=[], metavar="GLOB", help="files that need no sidecar")
    return parser


def _verify(options: argparse.Namespace) -> Report:
    from wsol.config.resolve import ExpectedTexts

    root = repo_root()
    paths, ignore = options.paths, [*options.ignore, *published_elsewhere(root)]
    if options.scale:
        paths = [Path("data", options.scale), Path("results", options.scale), *_reports_of(options.scale)]
    paths = [path for path in paths or map(Path, DEFAULT_ROOTS) if options.paths or (root / path).exists()]
    return verify(paths, ExpectedTexts(), ignore=ignore, allow_missing_raw=options.allow_missing_raw, root=root)


def _reports_of(scale: str) -> list[Path]:
    """What lies in reports/, but for the folders of other scales."""
    from wsol.config.names import all_scales

    others = set(all_scales()) - {scale}
    return sorted(path for path in Path("reports").glob("*") if path.name not in others)


def published_elsewhere(root: Path) -> list[str]:
    """Reports that git holds just as they are here and that no sidecar on this machine explains.

    They were made on another machine and published with the repository; here they are reading matter until their
    target is made.
    """
    tracked = _git(root, "ls-files", "--", "reports")
    changed = set(_git(root, "diff", "--name-only", "HEAD", "--", "reports"))
    return [glob.escape(path) for path in tracked if path not in changed and not path.endswith(SIDECAR_SUFFIX)]


def _git(root: Path, *arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def _lines(report: Report) -> list[str]:
    lines = [f"warning: {warning.artefact}: {warning.kind}: {warning.file}" for warning in report.warnings]
    if not report.jobs and report.ok:
        return [*lines, "nothing to verify: no sidecar (*.prov.json) there; make something first, such as: make demo"]
    checked = f"{report.artefacts} artefacts of {report.jobs} jobs in {report.seconds:.1f} s"
    if report.ok:
        return [*lines, f"verified {checked}"]
    groups: dict[tuple[str, str, bool], list[Problem]] = {}
    for problem in report.problems:
        groups.setdefault((problem.kind, problem.file, problem.via is not None), []).append(problem)
    for (kind, file, inherited), problems in groups.items():
        lines += _group_lines(kind, file, inherited, problems)
    wrong = len({problem.artefact for problem in report.problems})
    return [*lines, f"FAILED: {wrong} artefact{'s' * (wrong != 1)} cannot be trusted; checked {checked}"]


def _group_lines(kind: str, file: str, inherited: bool, problems: list[Problem]) -> list[str]:
    if inherited:
        lines = [f"stale through other artefacts, because of {file}:"]
    else:
        lines = [f"{kind}: {file}: {problems[0].message}"]
    artefacts = [problem.artefact for problem in problems if problem.artefact != file]
    lines += [f"    {artefact}" for artefact in artefacts[:_SHOWN]]
    if len(artefacts) > _SHOWN:
        lines.append(f"    … and {len(artefacts) - _SHOWN} more (--json lists all)")
    return [*lines, f"  repair: {problems[0].remedy}"]


if __name__ == "__main__":
    enter(main)
