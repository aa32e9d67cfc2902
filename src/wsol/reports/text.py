"""What a table says in words and digits, the same in every format: numbers, statuses, and where it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from wsol.reports.cells import MEASURED, MISSING, NOT_IN_SCALE, PUBLISHED_ONLY, Cell, ScaleView
from wsol.reports.spec import TableSpec

STORED_DECIMALS = 6

STATUS_MEANINGS = {
    MISSING: "the method or its score does not exist yet",
    NOT_IN_SCALE: "this scale does not measure that data set or backbone",
    PUBLISHED_ONLY: "quoted from other papers, not run here",
}

_THRESHOLDS = {
    "oracle": "the threshold τ of a score map is the best one on the split that is scored (oracle), as in the paper",
    "frozen": "the threshold τ of a score map is chosen on train-fullsup and kept",
    "none": "no threshold is chosen",
}


def stored(value: float | None) -> str:
    """A number as <table>.cells.csv holds it: the shortest text of its first six decimals, empty if there is none."""
    return "" if value is None else repr(_unsigned_zero(round(value, STORED_DECIMALS)))


def rounded(value: float, decimals: int, signed: bool = False) -> str:
    """The stored number at a table's precision, halves away from zero as in hand-made tables."""
    exact = Decimal(stored(value)).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    exact = abs(exact) if exact.is_zero() else exact
    return f"{exact:+f}" if signed and not exact.is_zero() else f"{exact:f}"


def cell_text(cell: Cell, decimals: int, plus_minus: str | None = None) -> str:
    """The cell as printed: its value, with its spread over seeds if `plus_minus` is given, or else its status."""
    if cell.value is None:
        return cell.status
    text = rounded(cell.value, decimals)
    if plus_minus is not None and cell.std is not None:
        text += f"{plus_minus}{rounded(cell.std, decimals)}"
    return text


def by_row(spec: TableSpec, cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells of `evaluate` as lines of the table."""
    width = len(spec.columns)
    if len(cells) != width * len(spec.rows):
        raise ValueError(f"{len(cells)} cells do not fill {len(spec.rows)} rows of {width} columns")
    return [list(cells[start : start + width]) for start in range(0, len(cells), width)]


def scale_sentences(spec: TableSpec, view: ScaleView) -> list[str]:
    """Where the numbers come from: scale, data sets, split, seeds, unit and threshold, a sentence each."""
    purpose = f" ({view.purpose})" if view.purpose else ""
    seeds = ", ".join(str(seed) for seed in view.seeds)
    spread = "; values are mean ± sample standard deviation over seeds" if len(view.seeds) > 1 else ""
    metrics = list(dict.fromkeys(column.metric for column in spec.columns if column.metric))
    return [
        f"Measured at scale {view.name}{purpose}.",
        f"Data: {'; '.join(_stand_in(name, view) for name in _paper_datasets(spec))}.",
        f"Backbones: {', '.join(view.backbones)}; split: {spec.split}; {_plural('seed', len(view.seeds))}: {seeds}.",
        f"{' and '.join(metrics)} in percent{spread}; {_THRESHOLDS[spec.threshold]}.",
    ]


def status_sentence(cells: Sequence[Cell]) -> str:
    """What the statuses that this table prints mean; empty where every cell is measured."""
    used = {cell.status for cell in cells} - {MEASURED}
    return "; ".join(f"{status}: {meaning}" for status, meaning in STATUS_MEANINGS.items() if status in used)


def _paper_datasets(spec: TableSpec) -> list[str]:
    return list(dict.fromkeys(column.dataset for column in spec.columns if column.dataset))


def _stand_in(name: str, view: ScaleView) -> str:
    measured = view.stand_ins.get(name)
    if measured is None:
        return f"{name} is not in this scale"
    if view.is_paper:
        return f"{measured} is the paper's {name}"
    return f"{measured} stands in for {name}"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _unsigned_zero(value: float) -> float:
    return value + 0.0
