"""The cue localisation table: one line a row, backbone and number of differing parts, tidy; and a page to read."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from wsol.config import paths
from wsol.config.paths import Cell
from wsol.errors import DataError
from wsol.files import read_json
from wsol.reports.cells import MEASURED, MISSING, NOT_IN_SCALE, ScaleView
from wsol.reports.text import rounded, stored

MEAN = "mean"


@dataclass(frozen=True)
class CueLine:
    """One line of cues.csv. Values are percentages, means over seeds; std is the sample deviation over them.

    n_pairs (those with a value), n_images and n_skipped (counted once a pair) and chance are those of the first seed.
    `common` is the value on the pairs and images that every row has.
    """

    label: str
    dataset: str
    backbone: str
    method: str
    attribution: str
    differing_parts: str
    n_pairs: int | None
    n_images: int | None
    n_skipped: int | None
    value: float | None
    std: float | None
    n_seeds: int
    pooled: float | None
    common: float | None
    chance: float | None
    published: float | None
    status: str


@dataclass(frozen=True)
class PairLine:
    """One line of cues.pairs.csv: a row of the table on one pair of classes, a mean over seeds."""

    label: str
    dataset: str
    backbone: str
    method: str
    attribution: str
    class_a: int
    class_b: int
    name_a: str
    name_b: str
    differing_parts: int
    parts: str
    n_images: int
    n_skipped: int
    value: float | None
    n_seeds: int
    pooled: float | None


def required(definition: Mapping[str, Any], view: ScaleView) -> dict[tuple[str, str, str], list[str]]:
    """(backbone, method, attribution) → the files of its seeds, for every row that the scale can measure."""
    dataset = view.stand_ins.get(definition["dataset"])
    if dataset is None:
        return {}
    found = {}
    for backbone in (name for name in definition["backbones"] if name in view.backbones):
        for row in (row for row in definition["rows"] if row["method"] in view.methods):
            cells = [Cell(view.name, dataset, backbone, row["method"], seed) for seed in view.seeds]
            key = (backbone, row["method"], row["attribution"])
            found[key] = [paths.cues_path(cell, row["attribution"]) for cell in cells]
    return found


def cue_lines(definition: Mapping[str, Any], view: ScaleView) -> list[CueLine]:
    """All lines; a row without numbers says why in its status (docs/tables.md). Raises DataError for a damaged file."""
    return list(_lines(definition, view))


def _lines(definition: Mapping[str, Any], view: ScaleView) -> Iterator[CueLine]:
    dataset = view.stand_ins.get(definition["dataset"])
    files = required(definition, view)
    groups = [*map(str, definition["differing_parts"]), MEAN]
    for backbone in definition["backbones"]:
        for row in definition["rows"]:
            listed = files.get((backbone, row["method"], row["attribution"]), [])
            documents = [read_json(path) for path in listed if Path(path).is_file()]
            complete = bool(listed) and len(documents) == len(listed)
            in_scale = dataset is not None and backbone in view.backbones
            for group in groups:
                read = list(zip(listed, documents, strict=False))
                found = [_group(path, document.get("groups", {}), group) for path, document in read]
                common = [_group(path, document.get("common", {}), group) for path, document in read]
                values = [one["value"] for one in found if one["value"] is not None]
                measured = complete and len(values) == len(listed)
                first: Mapping[str, Any] = found[0] if measured else {}
                yield CueLine(
                    label=row["label"],
                    dataset=dataset or "",
                    backbone=backbone,
                    method=row["method"],
                    attribution=row["attribution"],
                    differing_parts=group,
                    n_pairs=first.get("n_pairs"),
                    n_images=first.get("n_images"),
                    n_skipped=first.get("n_skipped"),
                    value=statistics.fmean(values) if measured else None,
                    std=statistics.stdev(values) if measured and len(values) > 1 else None,
                    n_seeds=len(values) if measured else 0,
                    pooled=_mean(one["pooled"] for one in found) if measured else None,
                    common=_mean(one["value"] for one in common) if measured else None,
                    chance=first.get("chance"),
                    published=row["published"].get(group),
                    status=MEASURED if measured else MISSING if in_scale else NOT_IN_SCALE,
                )


def pair_lines(definition: Mapping[str, Any], view: ScaleView) -> list[PairLine]:
    """A line a pair of every row that is measured whole; `parts` are joined by `+`."""
    lines = []
    for row in definition["rows"]:
        for (backbone, *named), listed in required(definition, view).items():
            if named != [row["method"], row["attribution"]] or not all(Path(path).is_file() for path in listed):
                continue
            documents = [read_json(path) for path in listed]
            for seeds in zip(*(document["pairs"] for document in documents), strict=True):
                first = seeds[0]
                values = [pair["value"] for pair in seeds if pair["value"] is not None]
                lines.append(
                    PairLine(
                        label=row["label"],
                        dataset=view.stand_ins[definition["dataset"]] or "",
                        backbone=backbone,
                        method=row["method"],
                        attribution=row["attribution"],
                        class_a=first["classes"][0],
                        class_b=first["classes"][1],
                        name_a=first["names"][0],
                        name_b=first["names"][1],
                        differing_parts=len(first["parts"]),
                        parts="+".join(first["parts"]),
                        n_images=first["n_images"],
                        n_skipped=first["n_skipped"],
                        value=_mean(values),
                        n_seeds=len(values),
                        pooled=_mean(pair["pooled"] for pair in seeds),
                    )
                )
    return lines


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _group(path: str, groups: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    try:
        return groups[group]
    except KeyError as error:
        raise DataError(f"{path}: has no group {error}; make it again with `snakemake --cores all {path}`") from error


def cues_csv(lines: Sequence[CueLine]) -> str:
    """The lines as text, numbers to six decimals, empty where there is none."""
    return _csv(CueLine, lines)


def pairs_csv(lines: Sequence[PairLine]) -> str:
    """As `cues_csv`."""
    return _csv(PairLine, lines)


def _csv(kind: type[CueLine | PairLine], lines: Sequence[CueLine | PairLine]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(kind)], lineterminator="\n")
    writer.writeheader()
    for line in lines:
        values = asdict(line)
        writer.writerow({name: stored(value) if isinstance(value, float) else value for name, value in values.items()})
    return text.getvalue()


def cues_markdown(
    definition: Mapping[str, Any], lines: Sequence[CueLine], view: ScaleView, limits: Mapping[str, int | None]
) -> str:
    """The page: what was measured on what, the values by number of differing parts, and the printed ones beside."""
    groups = [*map(str, definition["differing_parts"]), MEAN]
    dataset = next((line.dataset for line in lines if line.dataset), "no data set")
    seeds = ", ".join(map(str, view.seeds))
    parts = [
        f"# {definition['title']}",
        f"Scale {view.name}; {dataset}, split {definition['split']}, seeds {seeds}. PxAP in percent, one value a pair "
        f"of classes, then the mean over pairs. {limits_sentence(limits)}",
    ]
    counted = ["common", "chance", "never reset", "pairs", "images", "skipped"]
    headers = ["", "backbone", *map(_group_header, groups), *counted]
    body = []
    for first, row in _by_row(lines, groups):
        counts = [str(number or "") for number in (row[-1].n_pairs, row[-1].n_images)]
        skipped = "" if row[-1].n_skipped is None else str(row[-1].n_skipped)
        numbers = [_number(row[-1].common), _number(row[-1].chance), _number(row[-1].pooled), *counts, skipped]
        body.append([first.label, first.backbone, *(_value(line) for line in row), *numbers])
    parts.append(_table(headers, body))
    parts.append(
        "Common, chance, never reset, pairs, images and skipped belong to the mean. Common: the mean on the pairs and "
        "images that every row has, where rows compare. Chance: the share of cue pixels, which a "
        "constant map gets. Never reset: the released evaluator, which pools each pair with all before it. An image "
        "counts once for every pair that it belongs to; it is skipped where no differing part is visible."
    )
    parts += ["## Published", f"{definition['source']}. {_comparable(view)}"]
    printed = [
        [first.label, *(_number(line.published) for line in row)]
        for first, row in _by_row([line for line in lines if line.backbone == definition["backbones"][0]], groups)
    ]
    parts.append(_table(["", *(_group_header(group) for group in groups)], printed))
    parts += [f"{row['label']}: {row['note']}." for row in definition["rows"] if row["note"]]
    return "\n\n".join(parts) + "\n"


def limits_sentence(limits: Mapping[str, int | None]) -> str:
    """What a scale left out, in words."""
    said = []
    if limits["images_per_class"] is not None:
        said.append(f"the first {limits['images_per_class']} test images of each class")
    if limits["pairs"] is not None:
        said.append(f"at most {limits['pairs']} pairs for each number of differing parts")
    return (
        f"The gradient rows are limited to {' and '.join(said)}."
        if said
        else "All pairs, and all test images of their classes."
    )


def _comparable(view: ScaleView) -> str:
    return "" if view.is_paper else "Those are of CUB; the data above are others, so the two are not to be subtracted."


def _by_row(lines: Sequence[CueLine], groups: Sequence[str]) -> Iterator[tuple[CueLine, Sequence[CueLine]]]:
    for start in range(0, len(lines), len(groups)):
        yield lines[start], lines[start : start + len(groups)]


def _group_header(group: str) -> str:
    return group if group == MEAN else f"{group} part{'' if group == '1' else 's'}"


def _value(line: CueLine) -> str:
    if line.value is None:
        return line.status
    return rounded(line.value, 1) + ("" if line.std is None else f" ± {rounded(line.std, 1)}")


def _number(value: float | None) -> str:
    return "" if value is None else rounded(value, 1)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(headers) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headers, rule, *rows])
