"""Figures 3, 4, C.1 and F.10 to F.15 of F-CAM: maps and what is cut from them, a baseline beside F-CAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.config.figures import figure_cells, figure_datasets, grouped
from wsol.errors import DataError
from wsol.reports.figures.attribution_grid import check_cell
from wsol.reports.figures.choose import evenly_over_classes
from wsol.reports.figures.colour import blend, tinted
from wsol.reports.figures.regions import FALSE, HIT, MISSED, above_chance, box_cut, lowest, outcomes, pixel_iou
from wsol.reports.figures.text import place_name, title_of_places
from wsol.reports.figures.tiles import Tile, TilePage, TileRow
from wsol.reports.pictures import PREDICTED_COLOUR, TRUE_COLOUR

if TYPE_CHECKING:
    import numpy as np

    from wsol.attribution.store import MapStore
    from wsol.scoring import GroundTruth

CUT_COLOUR = "#D55E00"
OUTCOME_COLOURS = {HIT: "#0072B2", MISSED: "#F0E442", FALSE: "#D55E00"}
"""Blue, yellow and vermilion of Okabe and Ito's palette: told apart by hue or by lightness whatever the eye."""
MASK_THRESHOLD = 0.8
"""The paper's τ of every figure with masks (captions of figures 4, C.1, F.10)."""


@dataclass(frozen=True)
class Source:
    """A column's maps in a place, with the threshold at which its boxes are cut (None for masks)."""

    store: MapStore
    threshold: float | None
    path: Path

    def scores(self, index: int) -> np.ndarray:
        """(H, W) as the metrics score it."""
        from wsol.attribution.postprocess import score_maps

        how = self.store.description["upsampling"]
        return score_maps(self.store.block(index, index + 1), how["size"], how["order"], how["interpolation"])[0]


def localisation_page(
    settings: Mapping[str, Any], manifests: Sequence[Any], map_files: Sequence[Path], score_files: Sequence[Path]
) -> TilePage:
    """The page of stored maps and scores, one file a cell as `wsol.config.figures.figure_cells` lists them.

    A row is an image of a data set; data sets stand beside each other, backbones and groups below each other. Which
    images: of kind `failures` those on which ours scores lowest, else evenly spaced over the classes. Raises DataError
    for a file of another cell or of other images.
    """
    from wsol.scoring import GroundTruth

    datasets, groups = figure_datasets(dict(settings)), list(grouped(settings["columns"]))
    truths = {name: GroundTruth(manifest) for name, manifest in zip(datasets, manifests, strict=True)}
    sources = _sources(settings, truths, map_files, score_files)
    backbones = list(dict.fromkeys(place["cell"]["backbone"] for place in settings["places"]))
    brief = len(datasets) > 1
    rows = []
    for backbone in backbones:
        for group in groups:
            blocks = []
            for name in datasets:
                pair = sources[name, backbone, group]
                blocks.append(
                    [
                        (_tiles(settings, truths[name], index, pair, brief), _label(truths[name], index, note, brief))
                        for index, note in _chosen(settings, truths[name], pair[1])
                    ]
                )
            for parts in zip(*blocks, strict=False):
                tiles = [tile for block, _ in parts for tile in block]
                rows.append(TileRow(tiles, _group_name(backbone, group, backbones, groups), parts[0][1]))
    labels = [column["label"] for column in settings["columns"]] if len(groups) == 1 else ["baseline", "with F-CAM"]
    places = {place["dataset"]: place for place in settings["places"]}
    return TilePage(
        title=title_of_places(settings, manifests[0].split),
        caption=_caption(settings, truths),
        blocks=[place_name(places[name]) if brief else "" for name in datasets],
        columns=[("", ("image",)), *((label, ("map", "localisation")) for label in labels)],
        rows=rows,
        legend=_legend(truths),
        bar=("score", "0", "1"),
    )


def _sources(
    settings: Mapping[str, Any],
    truths: Mapping[str, GroundTruth],
    map_files: Sequence[Path],
    score_files: Sequence[Path],
) -> dict[tuple[str, str, str], list[Source]]:
    """(data set, backbone, group) to the sources of its baseline and of ours."""
    from wsol.attribution.store import read_maps
    from wsol.files import read_json
    from wsol.scoring import check_same_images

    found: dict[tuple[str, str, str], list[Source]] = {}
    columns = [(place, column) for place in settings["places"] for column in settings["columns"]]
    count = len(figure_cells(dict(settings)))
    if not len(map_files) == len(score_files) == count:
        raise DataError(f"{len(map_files)} map files and {len(score_files)} score files for {count} cells")
    for (place, column), map_file, score_file in zip(columns, map_files, score_files, strict=True):
        store, score = read_maps(map_file), read_json(score_file)
        check_cell(store.description, map_file, place["cell"], column)
        check_cell({**score, "attribution": score["cell"]["attribution"]}, score_file, place["cell"], column)
        truth = truths[place["dataset"]]
        check_same_images(store.image_ids, truth.manifest, map_file)
        threshold = float(score["thresholds"]["MaxBoxAcc"]) if truth.manifest.localisation == "boxes" else None
        key = place["dataset"], place["cell"]["backbone"], column["group"] or column["label"]
        found.setdefault(key, []).append(Source(store, threshold, map_file))
    return found


def _chosen(settings: Mapping[str, Any], truth: GroundTruth, ours: Source) -> list[tuple[int, str]]:
    """The images shown, each with the score that it was chosen by, if it was."""
    if settings["kind"] != "failures":
        return [(index, "") for index in evenly_over_classes(truth.manifest.labels.tolist(), settings["images"])]
    scores = [failure_score(settings, truth, index, ours) for index in range(len(truth.manifest))]
    return [(index, f"{scores[index]:.2f}") for index in lowest(scores, settings["images"])]


def failure_score(settings: Mapping[str, Any], truth: GroundTruth, index: int, ours: Source) -> float:
    """What failures are sorted by: IoU of the box, or with masks the average precision above chance."""
    masks = truth.masks(index, index + 1, settings["image_size"])
    if masks is not None:
        return above_chance(ours.scores(index), masks[0])
    return _boxes(truth, index, settings["image_size"], ours.scores(index), ours.threshold)[1]


def _boxes(
    truth: GroundTruth, index: int, size: int, scores: np.ndarray, threshold: float | None
) -> tuple[tuple[int, int, int, int], float]:
    """The box of MaxBoxAcc, of the largest contour, and its best IoU over the true boxes."""
    from wsol.metrics.iou import iou_matrix
    from wsol.metrics.oracle import boxes_at

    boxes = truth.boxes(index, index + 1, size)
    if boxes is None or threshold is None:
        raise DataError(f"{truth.manifest.dataset}: has masks, not boxes")
    box = boxes_at(scores, threshold, "largest")[0]
    return box, float(iou_matrix([box], boxes[0]).max())


def _tiles(
    settings: Mapping[str, Any], truth: GroundTruth, index: int, pair: Sequence[Source], brief: bool
) -> list[Tile]:
    """The image with its truth, then of each source the map and what is cut from it."""
    import numpy as np

    from wsol.data.images import load_images

    size = settings["image_size"]
    image = load_images(truth.manifest, [index], size)[0]
    boxes, masks = truth.boxes(index, index + 1, size), truth.masks(index, index + 1, size)
    true = [] if boxes is None else [_edges(box, TRUE_COLOUR) for box in boxes[0]]
    tiles = [Tile(image, true, region=None if masks is None else masks[0] == 1)]
    for source in pair:
        scores = source.scores(index)
        tiles.append(Tile(blend(image, scores, (0.0, 1.0), "sequential")))
        if masks is None:
            box, iou = _boxes(truth, index, size, scores, source.threshold)
            cut = tinted(image, box_cut(scores, float(source.threshold or 0)).astype(np.uint8), {1: CUT_COLOUR})
            note = f"IoU {iou:.2f}" if brief else f"τ {source.threshold:.2f}, IoU {iou:.2f}"
            tiles.append(Tile(cut, [*true, _edges(box, PREDICTED_COLOUR)], note))
        else:
            result = outcomes(scores, masks[0], MASK_THRESHOLD)
            tiles.append(Tile(tinted(image, result, OUTCOME_COLOURS), note=f"IoU {pixel_iou(result):.2f}"))
    return tiles


def _edges(box: Any, colour: str) -> tuple[float, float, float, float, str]:
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return x0, y0, x1, y1, colour


def _label(truth: GroundTruth, index: int, note: str, brief: bool) -> str:
    if brief:
        return ""
    return truth.manifest.class_names[index] + (f"\n{note}" if note else "")


def _group_name(backbone: str, group: str, backbones: Sequence[str], groups: Sequence[str]) -> str:
    names = [name for name, many in ((backbone, len(backbones) > 1), (group, len(groups) > 1)) if many]
    return ", ".join(names)


def _legend(truths: Mapping[str, GroundTruth]) -> list[tuple[str, str, bool]]:
    kinds = {truth.manifest.localisation for truth in truths.values()}
    boxes = [("true box", TRUE_COLOUR, True), ("predicted box", PREDICTED_COLOUR, True)]
    masks: list[tuple[str, str, bool]] = [
        ("true mask", TRUE_COLOUR, True),
        ("true positive", OUTCOME_COLOURS[HIT], False),
        ("false negative", OUTCOME_COLOURS[MISSED], False),
        ("false positive" if "boxes" not in kinds else "false positive; cut of the map", CUT_COLOUR, False),
    ]
    if kinds == {"boxes"}:
        return [*boxes, ("cut of the map", CUT_COLOUR, False)]
    if kinds == {"masks"}:
        return masks
    return [("true box or mask", TRUE_COLOUR, True), boxes[1], *masks[1:]]


def _caption(settings: Mapping[str, Any], truths: Mapping[str, GroundTruth]) -> str:
    kinds = {truth.manifest.localisation for truth in truths.values()}
    if settings["kind"] == "failures":
        by = "average precision of its pixels above chance, (AP − a) / (1 − a) with a the object's share of the image"
        rule = (
            f"The images of the split on which F-CAM scores lowest, the lowest first, by {by}"
            if kinds == {"masks"}
            else "The images of the split on which the box of F-CAM has the lowest IoU, the lowest first"
        )
        rule += "; the number beside the class. "
    else:
        rule = "Images evenly spaced over the classes, the same for every method and backbone. "
    said = [
        rule,
        "Maps as the metrics score them: those of the baselines brought to 0 to 1 each by its own minimum and maximum, "
        "F-CAM's as the probabilities that they are. ",
    ]
    if "boxes" in kinds:
        said.append(
            "Boxes: around the largest contour of the map cut at τ of its maximum, with τ where the method's MaxBoxAcc "
            "is highest on this split, as in the paper. "
        )
    if "masks" in kinds:
        said.append(f"Masks: pixels of score {MASK_THRESHOLD} and above; the IoU is that of these pixels. ")
    if settings["left_out"]:
        said.append(f"Not at this scale: {', '.join(settings['left_out'])}.")
    return "".join(said).strip()
