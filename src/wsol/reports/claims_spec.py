"""The claims of a paper as data: which values of which reports are compared, loaded and checked before any exists."""

from __future__ import annotations

import difflib
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsol.config.curve_specs import curve_specs
from wsol.config.names import all_scales, available_methods
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError
from wsol.reports.catalogue import table_specs
from wsol.reports.cells import MEAN
from wsol.reports.spec import load_spec

TABLE = ".cells.csv"
TABLE_COLUMNS = ("row", "column", "dataset", "backbone", "method", "attribution", "metric", "split")
CURVE_COLUMNS = ("dataset", "backbone", "method", "attribution", "quantity", "at")
REPORT_COLUMNS = {
    "cues.csv": ("dataset", "backbone", "method", "attribution", "differing_parts"),
    "remove_and_classify.csv": ("dataset", "backbone", "method", "attribution", "k"),
    "fcam_tableF4.csv": ("row", "backbone"),
    **{f"{name}.csv": CURVE_COLUMNS for name in curve_specs()},
}
"""The columns that say which value a line holds; those of a table `<table>.cells.csv` are TABLE_COLUMNS."""
COUNT_COLUMNS = {"fcam_tableF4.csv": "repeats"}
"""What a report's values are means or medians over, where these are not seeds (`n_seeds`)."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the value of the one line of `report` with these texts in its columns, or a number."""

    report: str = ""
    select: Mapping[str, str] = field(default_factory=dict)
    number: float | None = None

    @property
    def text(self) -> str:
        return f"{self.number:g}" if self.number is not None else f"{self.report}[{_pairs(self.select)}]"


@dataclass(frozen=True)
class Comparison:
    left: Side
    right: Side
    operator: str
    margin: float

    @property
    def text(self) -> str:
        """As `cues.csv: method=calm_em > method=cam (dataset=CUB, …)`; what both sides share is said once."""
        if self.left.report != self.right.report:
            return f"{self.left.text} {_operator(self)} {self.right.text}"
        shared = {key: value for key, value in self.left.select.items() if self.right.select.get(key) == value}
        sides = [
            _pairs({key: value for key, value in side.select.items() if key not in shared})
            for side in (self.left, self.right)
        ]
        return f"{self.left.report}: {sides[0]} {_operator(self)} {sides[1]} ({_pairs(shared)})"


@dataclass(frozen=True)
class Claim:
    """`published`: what the paper finds, where it prints no number; `explanation`: by scale."""

    paper: str
    id: str
    statement: str
    source: str
    rule: str
    comparisons: tuple[Comparison, ...]
    published: str | None
    explanation: Mapping[str, str]


def claims_files() -> list[str]:
    """The claims of every paper, params/papers/<paper>/claims.yaml."""
    return [str(path) for path in sorted((PARAMS / "papers").glob("*/claims.yaml"))]


def load_claims(path: str | Path) -> tuple[Claim, ...]:
    """Raises ParameterError, naming claim and nearest known name, for a report, column or value that cannot exist."""
    path = Path(path)
    tables = {f"{name}{TABLE}": file for name, file in table_specs().items()}
    known_values = functools.cache(lambda report: _known_values(tables.get(report)))
    claims = []
    content = load_yaml(path, "claims")
    for entry in content["claims"]:
        where = f"{path}: claim {entry['id']!r}"
        comparisons = tuple(each for part in entry["compare"] for each in _expand(part, where))
        for comparison in comparisons:
            for side in (comparison.left, comparison.right):
                _check_side(side, where, [*tables, *REPORT_COLUMNS], known_values)
        for scale in entry["explanation"]:
            _must_be_known(scale, all_scales(), "scale of explanation", where)
        claims.append(
            Claim(
                paper=content["paper"],
                id=entry["id"],
                statement=entry["statement"],
                source=entry["source"],
                rule=entry["rule"],
                comparisons=comparisons,
                published=entry.get("published"),
                explanation=entry["explanation"],
            )
        )
    for index, claim in enumerate(claims):
        if claim.id in [other.id for other in claims[:index]]:
            raise ParameterError(f"{path}: claim id {claim.id!r} is given twice")
    return tuple(claims)


def reports_of(claims: Iterable[Claim]) -> list[str]:
    """The reports that the claims read, each once."""
    sides = (side for claim in claims for each in claim.comparisons for side in (each.left, each.right))
    return sorted({side.report for side in sides if side.report})


def _expand(part: Mapping[str, Any], where: str) -> list[Comparison]:
    """One comparison for each combination of the values of `for`."""
    names = list(part["for"])
    found = []
    for values in itertools.product(*part["for"].values()):
        selects = {name: dict(part[name].get("select", {})) for name in ("left", "right")}
        for name, value in zip(names, values, strict=True):
            side, _, column = name.rpartition(".")
            if side not in ("", "left", "right"):
                raise ParameterError(f"{where}: for.{name}: write the column, or left.column or right.column")
            for key in [side] if side else ["left", "right"]:
                if "value" not in part[key]:
                    selects[key][column] = value
        sides = [
            Side(number=float(part[key]["value"]))
            if "value" in part[key]
            else Side(part[key]["report"], {column: text_of(value) for column, value in selects[key].items()})
            for key in ("left", "right")
        ]
        found.append(Comparison(sides[0], sides[1], part["operator"], float(part["margin"])))
    return found


def text_of(value: str | float) -> str:
    """A selected value as the reports write it: 0.3, 1, mean."""
    return value if isinstance(value, str) else f"{value:g}"


def _check_side(
    side: Side, where: str, reports: Sequence[str], known_values: Callable[[str], dict[str, list[str]]]
) -> None:
    if side.number is not None:
        return
    _must_be_known(side.report, reports, "report", where)
    columns = REPORT_COLUMNS.get(side.report, TABLE_COLUMNS)
    known = known_values(side.report)
    for column, value in side.select.items():
        _must_be_known(column, columns, f"column of {side.report}", where)
        if column in known:
            _must_be_known(value, known[column], f"{column} of {side.report}", where)


def _known_values(table: Path | None) -> dict[str, list[str]]:
    """What stands in a column at some scale; columns that are not here are checked against the report itself."""
    scales = [load_yaml(path, "scale") for path in sorted((PARAMS / "scales").glob("*.yaml"))]
    known = {
        "dataset": [*dict.fromkeys(name for scale in scales for name in scale["stand_ins"]), MEAN],
        "backbone": [*dict.fromkeys(name for scale in scales for name in scale["backbones"]), MEAN],
        "method": available_methods(),
    }
    if table is not None:
        spec = load_spec(table)
        known["row"] = [row.label for row in spec.rows]
        known["method"] = [*known["method"], *(row.method for row in spec.rows)]
        known["metric"] = [*dict.fromkeys(column.metric for column in spec.columns if column.metric), MEAN]
    return known


def _must_be_known(name: str, known: Sequence[str], what: str, where: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ParameterError(f"{where}: {name!r} is no {what}{hint} (there is {', '.join(known)})")


def _pairs(select: Mapping[str, str]) -> str:
    return ", ".join(f"{column}={value}" for column, value in select.items())


def _operator(comparison: Comparison) -> str:
    margin = comparison.margin
    if comparison.operator == "equal":
        return f"= ±{margin:g}"
    sign = ">" if comparison.operator == "greater" else "<"
    return f"{sign} by {margin:g}:" if margin else sign
