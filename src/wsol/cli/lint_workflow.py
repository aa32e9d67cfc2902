"""`snakemake --lint`, failing on every finding but the wish for a conda environment or container in each rule."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsol.cli.entry import enter
from wsol.errors import WsolError

# One environment serves all rules (requirements.lock), so this one notice cannot be met.
ACCEPTED = "specify a conda environment or container for each rule"
_BLOCK = re.compile(r"^Lints for ", re.MULTILINE)
_NOTICE = re.compile(r"^ {4}\* ", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One notice of the linter; `place` is a rule, or a snakefile."""

    place: str
    title: str
    advice: str

    @property
    def accepted(self) -> bool:
        return ACCEPTED in self.title.lower()


def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="wsol lint_workflow", description=__doc__, epilog="Other options go to snakemake as they are."
    )


def main(argv: list[str]) -> int:
    """Returns 0 if there is nothing to mend, else 1. Raises WsolError if the workflow cannot be read."""
    _, passed = parser().parse_known_args(argv)
    findings = read_findings(_lint(passed))
    accepted = sum(finding.accepted for finding in findings)
    left = [finding for finding in findings if not finding.accepted]
    for finding in left:
        print(f"{finding.place}: {finding.title}\n    {finding.advice}")
    print(f"snakemake --lint: {len(left)} to mend; {accepted} rules without conda environment or container, as meant")
    return 1 if left else 0


def read_findings(text: str) -> list[Finding]:
    """Findings in what `snakemake --lint` prints; Snakemake 9.27 prints the same text for `--lint json`."""
    findings = []
    for block in _BLOCK.split(text)[1:]:
        place, _, rest = block.partition(":\n")
        for notice in _NOTICE.split(rest)[1:]:
            title, _, body = notice.partition("\n")
            advice = body.partition("Also see:")[0].partition("\n\n")[0]
            findings.append(Finding(place, title.rstrip(":."), " ".join(advice.split())))
    return findings


def _lint(passed: Sequence[str]) -> str:
    command = [sys.executable, "-m", "snakemake", "--lint", *passed]
    # The advice is wrapped at the width of the terminal, where there is one.
    environment = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    text = (done.stdout + done.stderr).replace(f"{Path.cwd()}/", "")
    if done.returncode and not _BLOCK.search(text):
        raise WsolError(f"snakemake --lint did not get as far as linting:\n{text.strip()}")
    return text


if __name__ == "__main__":
    enter(main)
