"""The verdicts on the papers' claims as files: CSV with a line a claim and one a comparison, and Markdown to read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from wsol.reports.cells import ScaleView
from wsol.reports.claims import ClaimFinding, Finding
from wsol.reports.markdown import escape
from wsol.reports.text import stored

CLAIM_FIELDS = (
    "paper",
    "claim",
    "statement",
    "rule",
    "comparison",
    "left",
    "right",
    "difference",
    "noise",
    "std_left",
    "std_right",
    "n_seeds",
    "verdict",
    "reason",
    "published_left",
    "published_right",
    "published_verdict",
    "source",
    "explanation",
)


def claims_csv(found: Sequence[ClaimFinding]) -> str:
    """A line a claim, whose `comparison` is empty, then one for each of its comparisons; difference = left − right."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CLAIM_FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    for each in found:
        writer.writerow(
            {
                "paper": each.claim.paper,
                "claim": each.claim.id,
                "statement": each.claim.statement,
                "rule": each.claim.rule,
                "verdict": each.verdict,
                "reason": each.reason,
                "published_verdict": each.published_verdict,
                "source": each.claim.source,
                "explanation": each.explanation,
            }
        )
        named = {"paper": each.claim.paper, "claim": each.claim.id}
        writer.writerows({**named, **_line(finding)} for finding in each.findings)
    return text.getvalue()


def claims_markdown(found: Sequence[ClaimFinding], view: ScaleView) -> str:
    """A table of the claims, then a section each with what was compared."""
    purpose = f" ({view.purpose})" if view.purpose else ""
    lines = [f"# Claims at scale {view.name}", "", f"Measured at scale {view.name}{purpose}.", ""]
    lines += ["| paper | claim | here | in the paper | comparisons |", "|---|---|---|---|---|"]
    for each in found:
        cells = (each.claim.paper, each.claim.statement, each.verdict, each.published_verdict, each.reason)
        lines.append(f"| {' | '.join(map(escape, cells))} |")
    for each in found:
        lines += [
            "",
            f"## {each.claim.paper}, {each.claim.id}: {each.verdict}",
            "",
            f"{each.claim.statement} ({each.claim.source})",
            "",
        ]
        if each.explanation:
            lines += [f"Why: {each.explanation}", ""]
        lines += ["| comparison | left | right | noise | verdict | published |", "|---|---|---|---|---|---|"]
        lines += [_row(finding) for finding in each.findings]
    return "\n".join(lines) + "\n"


def _line(finding: Finding) -> dict[str, Any]:
    left, right = finding.left, finding.right
    both = left.value is not None and right.value is not None
    seeds = [side.n_seeds for side in (left, right) if side.n_seeds]
    return {
        "comparison": finding.comparison.text,
        "left": stored(left.value),
        "right": stored(right.value),
        "difference": stored(left.value - right.value) if both else "",  # type: ignore[operator]
        "noise": stored(finding.noise),
        "std_left": stored(left.std),
        "std_right": stored(right.std),
        "n_seeds": str(min(seeds)) if seeds else "",
        "verdict": finding.verdict,
        "reason": finding.reason,
        "published_left": stored(left.published),
        "published_right": stored(right.published),
        "published_verdict": finding.published_verdict,
    }


def _row(finding: Finding) -> str:
    def short(value: float | None) -> str:
        return "–" if value is None else f"{value:.3g}"

    said = finding.verdict + (f" ({finding.reason})" if finding.reason else "")
    printed = ""
    if finding.published_verdict:
        printed = f"{short(finding.left.published)}, {short(finding.right.published)}: {finding.published_verdict}"
    cells = (
        finding.comparison.text,
        short(finding.left.value),
        short(finding.right.value),
        short(finding.noise),
        said,
        printed,
    )
    return f"| {' | '.join(map(escape, cells))} |"
