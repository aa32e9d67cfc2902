"""reports/claims.csv: each claim of the papers, compared value by value, with its verdict here and in print.

A comparison has an excess e, how far it is beyond its margin m: left − right − m (greater), right − left − m (less),
m − |left − right| (equal). It holds where e > noise, fails where e < −noise, and is undecided between, or where a value
is missing. The noise is twice the standard error of the difference over seeds, √(s_l²/n_l + s_r²/n_r): a screen, not a
test, and wider than need be where both sides share their networks. `equal` asks after the values as they are, so it
holds where e ≥ 0. One seed tells no noise; the report then says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wsol.reports.cells import ScaleView
from wsol.reports.claims_reading import Reading, Report, read_side
from wsol.reports.claims_spec import Claim, Comparison, Side

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
ERRORS = 2.0
SHOWN = 2
"""Missing values that a claim names; its comparisons name every one."""


@dataclass(frozen=True)
class Finding:
    """A comparison with its values; `excess`, `noise` as in the module's text, noise None where seeds tell none."""

    comparison: Comparison
    left: Reading
    right: Reading
    excess: float | None
    noise: float | None
    verdict: str
    published_excess: float | None
    published_verdict: str
    reason: str

    @property
    def in_scale(self) -> bool:
        return self.left.in_scale and self.right.in_scale


@dataclass(frozen=True)
class ClaimFinding:
    claim: Claim
    findings: tuple[Finding, ...]
    verdict: str
    published_verdict: str
    reason: str
    explanation: str


def evaluate_claims(
    claims: Sequence[Claim], view: ScaleView, reports: Mapping[str, Report | None]
) -> list[ClaimFinding]:
    """Every claim at a scale. `reports`: file name to its lines, None or absent where it has not been made.

    Raises ParameterError where a selection names no line of a report at any data set or backbone, or several lines.
    """
    return [_claim(claim, view, reports) for claim in claims]


def compare(comparison: Comparison, left: Reading, right: Reading) -> Finding:
    """The verdict on one comparison."""
    excess = _excess(comparison, left.value, right.value)
    published = _excess(comparison, left.published, right.published)
    noise = _noise(left, right)
    reason = "; ".join(dict.fromkeys(side.lacking for side in (left, right) if side.lacking))
    verdict = _judge(comparison.operator, excess, noise)
    if excess is not None and verdict == UNDECIDED:
        reason = "within the noise of the seeds"
    elif excess is not None and noise is None and not _is_number(comparison):
        reason = "one seed: noise unknown"
    printed = "" if published is None else _judge(comparison.operator, published, None)
    return Finding(comparison, left, right, excess, noise, verdict, published, printed, reason)


def combine(rule: str, findings: Sequence[Finding]) -> tuple[str, str]:
    """(verdict, reason) of a claim from those of its comparisons; what is not in the scale does not count.

    all: fails where one fails, holds where every one holds. most: what more than half of them say. mean: the verdict on
    the mean excess, with the noise of independent comparisons.
    """
    counted = [finding for finding in findings if finding.in_scale]
    if not counted:
        return UNDECIDED, "; ".join(_first(finding.reason for finding in findings))
    tally = {verdict: sum(each.verdict == verdict for each in counted) for verdict in (HOLDS, FAILS, UNDECIDED)}
    reason = ", ".join(f"{count} {verdict}" for verdict, count in tally.items() if count)
    reason = "; ".join([reason, *_first(each.reason for each in counted if each.excess is None)])
    if rule == "mean":
        return _mean_verdict(counted), reason
    need = len(counted) if rule == "all" else len(counted) // 2 + 1
    if tally[HOLDS] >= need:
        return HOLDS, reason
    if tally[FAILS] >= (1 if rule == "all" else need):
        return FAILS, reason
    return UNDECIDED, reason


def _first(reasons: Iterable[str]) -> list[str]:
    """Different reasons, the first few of them, and how many more there are."""
    each = list(dict.fromkeys(part for reason in reasons for part in reason.split("; ")))
    return each[:SHOWN] + ([f"and {len(each) - SHOWN} more"] if len(each) > SHOWN else [])


def _claim(claim: Claim, view: ScaleView, reports: Mapping[str, Report | None]) -> ClaimFinding:
    where = f"claim {claim.id!r} of {claim.paper}"
    comparisons = [
        replace(each, left=_here(each.left, view), right=_here(each.right, view)) for each in claim.comparisons
    ]
    findings = tuple(
        compare(each, read_side(each.left, view, reports, where), read_side(each.right, view, reports, where))
        for each in comparisons
    )
    verdict, reason = combine(claim.rule, findings)
    return ClaimFinding(
        claim, findings, verdict, _published(claim, findings), reason, claim.explanation.get(view.name, "")
    )


def _here(side: Side, view: ScaleView) -> Side:
    """With the method that the scale has in the place of one that it has not, as its reports name it."""
    method = side.select.get("method", "")
    return replace(side, select={**side.select, "method": view.elsewhere[method]}) if method in view.elsewhere else side


def _published(claim: Claim, findings: Sequence[Finding]) -> str:
    """The same rule on the printed values, in the scale or not; empty where none is printed."""
    if claim.published:
        return claim.published
    printed = [
        replace(
            each,
            left=replace(each.left, in_scale=True),
            right=replace(each.right, in_scale=True),
            excess=each.published_excess,
            noise=None,
            verdict=each.published_verdict,
        )
        for each in findings
        if each.published_verdict
    ]
    return combine(claim.rule, printed)[0] if printed else ""


def _mean_verdict(counted: Sequence[Finding]) -> str:
    if any(each.excess is None for each in counted):
        return UNDECIDED
    mean = math.fsum(each.excess for each in counted if each.excess is not None) / len(counted)
    known = [each.noise for each in counted if each.noise is not None]
    noise = math.hypot(*known) / len(counted) if known else None
    return _judge(counted[0].comparison.operator, mean, noise)


def _excess(comparison: Comparison, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    if comparison.operator == "equal":
        return comparison.margin - abs(left - right)
    return (left - right if comparison.operator == "greater" else right - left) - comparison.margin


def _noise(left: Reading, right: Reading) -> float | None:
    parts = [side.std**2 / side.n_seeds for side in (left, right) if side.std is not None and side.n_seeds > 1]
    return ERRORS * math.sqrt(math.fsum(parts)) if parts else None


def _judge(operator: str, excess: float | None, noise: float | None) -> str:
    if excess is None:
        return UNDECIDED
    if operator == "equal" and excess >= 0:
        return HOLDS
    if noise is None:
        return HOLDS if excess > 0 else FAILS
    return HOLDS if excess > noise else FAILS if excess < -noise else UNDECIDED


def _is_number(comparison: Comparison) -> bool:
    return comparison.left.number is not None and comparison.right.number is not None
