"""What is read from Snakemake's linter, and what of it counts."""

from __future__ import annotations

import pytest

from wsol.cli import lint_workflow
from wsol.cli.lint_workflow import Finding, main, read_findings

NOTICE = """Lints for rule train_model (line 8, workflow/rules/train.smk):
    * Specify a conda environment or container for each rule.:
      This way, the used software for each specific step is documented, and
      the workflow can be executed on any machine.
      Also see:
      https://example.org/deployment.html
"""
TWO = """Using workflow specific profile profiles/default for setting default command line arguments.
Lints for snakefile /tmp/project/Snakefile:
    * Absolute path "/data" in line 3:
      Do not define absolute paths inside of the workflow.

Lints for rule careless (line 4, Snakefile):
    * No log directive defined:
      Without a log directive, all output will be printed to the terminal.
    * Specify a conda environment or container for each rule.:
      This way, the used software is documented.
"""


def test_findings_have_place_title_and_advice() -> None:
    assert read_findings(NOTICE) == [
        Finding(
            "rule train_model (line 8, workflow/rules/train.smk)",
            "Specify a conda environment or container for each rule",
            "This way, the used software for each specific step is documented, and the workflow can be executed on "
            "any machine.",
        )
    ]
    found = read_findings(TWO)
    assert [finding.title for finding in found] == [
        'Absolute path "/data" in line 3',
        "No log directive defined",
        "Specify a conda environment or container for each rule",
    ]
    assert found[0].place == "snakefile /tmp/project/Snakefile"
    assert [finding.accepted for finding in found] == [False, False, True]


def test_a_clean_workflow_has_no_findings() -> None:
    assert read_findings("Congratulations, your workflow is in a good condition!\n") == []


@pytest.mark.parametrize(("text", "code", "count"), [(NOTICE, 0, 0), (TWO, 1, 2), ("", 0, 0)])
def test_only_the_conda_notice_is_forgiven(
    text: str, code: int, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lint_workflow, "_lint", lambda passed: text)
    assert main([]) == code
    said = capsys.readouterr().out
    assert f"snakemake --lint: {count} to mend" in said
    assert ("No log directive" in said) == (text == TWO)
