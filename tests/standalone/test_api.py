"""Scores equal the metrics' own functions and the released evaluator's worked examples, however the work is shared."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsol.attribution import score_maps as postprocess
from wsol.attribution.store import write_maps
from wsol.data.manifest import write_manifest
from wsol.data.released import read_released
from wsol.errors import DataError, ParameterError
from wsol.metrics.boxes import box_accuracy, rescale_boxes
from wsol.metrics.masks import pixel_average_precision, resolve_mask
from wsol.standalone import Share, evaluate_maps, merge_shards, score_shard
from wsol.standalone.truth import released_truth

sys.path.insert(0, str(Path(__file__).parent))
from miniature import SIZE, score_maps, write_boxes, write_folder, write_masks, write_png


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no checkout of the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def boxes_in_frame(root: Path, dataset: str, split: str, size: int) -> list[np.ndarray]:
    truth = read_released(root, dataset, split)
    assert truth.sizes is not None
    return [rescale_boxes(truth.boxes_of(i), truth.sizes[i].tolist(), size) for i in range(len(truth.image_ids))]


def cub(root: Path, maps: Any, **options: Any) -> Any:
    return evaluate_maps(maps, metadata=root, dataset="CUB", split="test", **{"size": SIZE, "device": "cpu", **options})


def test_values_are_those_of_the_metrics_functions(here: Path) -> None:
    ids = write_boxes(here)
    maps = score_maps(ids)
    scores = cub(here, maps)
    stack, boxes = np.stack([maps[name] for name in ids]), boxes_in_frame(here, "CUB", "test", SIZE)
    every = box_accuracy(stack, boxes)
    largest = box_accuracy(stack, boxes, contours="largest")
    assert scores.values["MaxBoxAccV2"] == pytest.approx(100 * every.max_box_acc_v2)
    assert scores.values["MaxBoxAcc"] == pytest.approx(100 * largest.max_box_acc)
    for index, level in enumerate((30, 50, 70)):
        assert scores.document["curves"][f"BoxAccV2@{level}"] == (100 * every.curve[index]).tolist()
        assert scores.document["thresholds"][f"BoxAccV2@{level}"] == every.best_threshold[index]
    assert (scores.document["n_images"], scores.document["image_size"]) == (10, SIZE)
    assert scores.images["image_id"].tolist() == ids


def test_a_manifest_gives_the_same_values(here: Path) -> None:
    maps = score_maps(write_boxes(here))
    write_manifest(here / "test.parquet", released_truth(here, "CUB", "test").manifest)
    scores = evaluate_maps(maps, manifest=here / "test.parquet", size=SIZE)
    assert scores.values == cub(here, maps).values
    assert scores.document["ground_truth"]["kind"] == "manifest"


def test_masks_are_scored_by_pixels(here: Path) -> None:
    ids, pictures = write_masks(here)
    maps = score_maps(ids)
    truth = read_released(here, "OpenImages", "test")

    def png(name: str) -> np.ndarray:
        import cv2

        return cv2.imread(str(pictures / name), cv2.IMREAD_GRAYSCALE)

    masks = [
        resolve_mask([png(name) for name in names], None if ignore is None else png(ignore), SIZE)
        for names, ignore in zip(truth.masks, truth.ignore, strict=True)
    ]
    expected = pixel_average_precision(np.stack([maps[name] for name in ids]), np.stack(masks))
    given: dict[str, Any] = {"metadata": here, "dataset": "OpenImages30k", "split": "test", "size": SIZE}
    scores = evaluate_maps(maps, masks=pictures, **given)
    assert scores.values == {"PxAP": pytest.approx(100 * expected.ap, rel=1e-12)}
    for option in ({"tau": 0.2}, {"frozen_from": here / "none.json"}):
        with pytest.raises(ParameterError, match="PxAP runs over all thresholds"):
            evaluate_maps(maps, masks=pictures, **given, **option)  # type: ignore[arg-type]


def released_example(root: Path) -> dict[str, np.ndarray]:
    """8 x 8: a ring with a hole, an appendix and a peak; the ground truth is the hole's box."""
    folder = root / "CUB" / "test"
    folder.mkdir(parents=True)
    for name, line in {"image_ids": "a.jpg", "class_labels": "a.jpg,0", "image_sizes": "a.jpg,8,8"}.items():
        (folder / f"{name}.txt").write_text(line)
    (folder / "localization.txt").write_text("a.jpg,2,2,6,6")
    ring = np.zeros((8, 8))
    ring[1:7, 1:7], ring[3:5, 3:5], ring[2, 5], ring[7, 0] = 0.6, 0.2, 1.0, 0.45
    return {"a.jpg": ring}


def test_the_released_evaluators_example_of_boxes(here: Path) -> None:
    maps = released_example(here)
    grid = [0, 0.1, 0.3, 0.5, 0.7, 0.99]
    scores = cub(here, maps, size=8, thresholds=grid)
    # Boxes as released: [0 1 7 7] up to 0.3, [1 1 7 7] at 0.5, [5 2 6 3] above; the hole's [2 2 6 6] at 0.3 and 0.5.
    assert scores.document["curves"] == {
        "MaxBoxAcc": [0, 0, 0, 100, 0, 0],
        "BoxAccV2@30": [100, 100, 100, 100, 0, 0],
        "BoxAccV2@50": [0, 0, 100, 100, 0, 0],
        "BoxAccV2@70": [0, 0, 100, 100, 0, 0],
    }
    assert scores.document["thresholds"]["MaxBoxAcc"] == 0.5
    assert scores.document["not_as_in_the_papers"] == [f"boxes.thresholds: {[float(t) for t in grid]} instead of 1000"]
    outer = cub(here, maps, size=8, thresholds=grid, contours="external").document
    assert outer["curves"]["BoxAccV2@70"] == [0] * 6
    assert outer["curves"]["MaxBoxAcc"] == [0, 0, 0, 100, 0, 0]
    # Inclusive corners: the hole's box is [2 2 5 5], 16 of 25 pixels; the ring's [0 1 6 7] has 49 that hold all 25.
    inner = cub(here, maps, size=8, thresholds=grid, corners="inclusive").document
    assert inner["curves"]["BoxAccV2@70"] == [0] * 6
    assert inner["curves"]["BoxAccV2@50"] == inner["curves"]["MaxBoxAcc"][:1] * 4 + [0, 0] == [100, 100, 100, 100, 0, 0]


@pytest.mark.parametrize(("thresholds", "percent"), [(10, 74.7024), (None, 83.0357)])
def test_the_released_evaluators_example_of_pixels(thresholds: int | None, percent: float, here: Path) -> None:
    scores = np.zeros(16)
    scores[:10] = [1, 0.95, 0.9, 0.72, 0.71, 0.5, 0.3, 0.3, 0.1, 0]
    instance, ignored = np.zeros(16, dtype=bool), np.zeros(16, dtype=bool)
    instance[[0, 1, 3, 6]], ignored[[4, *range(10, 16)]] = True, True
    folder = here / "OpenImages" / "test"
    folder.mkdir(parents=True)
    for name, line in {"image_ids": "a.jpg", "class_labels": "a.jpg,0", "image_sizes": ""}.items():
        (folder / f"{name}.txt").write_text(line)
    (folder / "localization.txt").write_text("a.jpg,m.png,i.png")
    write_png(here / "m.png", instance.reshape(4, 4))
    write_png(here / "i.png", ignored.reshape(4, 4))
    found = evaluate_maps(
        {"a.jpg": scores.reshape(4, 4)},
        metadata=here,
        dataset="OpenImages",
        split="test",
        masks=here,
        size=4,
        thresholds=thresholds,
    )
    assert found.values["PxAP"] == pytest.approx(percent, abs=5e-5)


def test_fixed_and_frozen_thresholds_stand_beside_the_best_ones(here: Path) -> None:
    ids, others = write_boxes(here), write_boxes(here, split="val", seed=5)
    val = evaluate_maps(score_maps(others), metadata=here, dataset="CUB", split="val", size=SIZE)
    path = next(path for path in val.write(here / "val.run1") if path.suffix == ".json")
    assert path.name == "val.run1.json"
    scores = cub(here, score_maps(ids), tau=0.35, frozen_from=path, resamples=50)
    document = scores.document
    for name, index in val.document["threshold_index"].items():
        assert document["frozen"]["values"][name] == document["curves"][name][index]
        assert document["fixed"]["values"][name] == document["curves"][name][350]
        for policy, values in (("values", scores.values), ("fixed", document["fixed"]["values"])):
            low, high = document["intervals"][policy][name]
            assert 0 <= low <= high <= 100
            assert policy == "values" or low <= values[name] <= high
        assert document["intervals"]["frozen"][name][0] <= document["intervals"]["frozen"][name][1]
    assert document["frozen"]["chosen_on"] == {"dataset": "CUB", "split": "val"}
    assert set(document["threshold_policy"]) == {"best", "fixed", "frozen"}
    text = str(scores)
    assert "at the fixed threshold 0.35" in text and "that were best on CUB val" in text and "95 % interval" in text
    with pytest.raises(DataError, match=r"val\.run1\.json: was made with other parameters of boxes"):
        cub(here, score_maps(ids), frozen_from=path, thresholds=100)
    (here / "no.json").write_text("{}")
    with pytest.raises(DataError, match=r"no\.json: has no dataset"):
        cub(here, score_maps(ids), frozen_from=here / "no.json")


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_shards_in_any_order_give_what_one_run_gives(kind: str, here: Path) -> None:
    given: dict[str, Any] = {"metadata": here, "split": "test"}
    if kind == "boxes":
        ids = write_boxes(here)
        given["dataset"] = "CUB"
    else:
        ids, given["masks"] = write_masks(here)
        given["dataset"] = "OpenImages"
    maps, details = score_maps(ids), {"resamples": 20, "breakdown": True, **({"tau": 0.2} if kind == "boxes" else {})}
    whole = evaluate_maps(maps, size=SIZE, **given, **details)  # type: ignore[arg-type]
    own = {1: ids[: len(ids) // 3], 2: ids[len(ids) // 3 : 2 * len(ids) // 3], 3: ids[2 * len(ids) // 3 :]}
    states = []
    for index, names in own.items():
        part = {name: maps[name] for name in names}
        states.append(score_shard(part, Share(index, 3), here / f"part{index}", size=SIZE, **given))
    assert states[0] == here / "part1.state.npz"
    for order in itertools.permutations(states):
        merged = merge_shards(order, **given, **details)  # type: ignore[arg-type]
        assert merged.document == whole.document
        assert all(np.array_equal(merged.images[name], whole.images[name]) for name in whole.images)
    with pytest.raises(DataError, match=r"no share holds image .* of \d+ images are missing"):
        merge_shards(states[1:], **given)
    with pytest.raises(DataError, match=r"part1\.state\.npz: holds image .*, and so does .*part1"):
        merge_shards([*states, states[0]], **given)


def test_shards_that_do_not_belong_together_are_named(here: Path) -> None:
    ids = write_boxes(here)
    write_boxes(here, split="val")
    given: dict[str, Any] = {"metadata": here, "dataset": "CUB", "split": "test"}
    maps = score_maps(ids)
    first = score_shard(maps, Share(1, 2), here / "a", size=SIZE, **given)
    other = score_shard(maps, Share(2, 2), here / "b", size=SIZE, thresholds=10, **given)
    with pytest.raises(DataError, match=r"b\.state\.npz: does not fit .*a\.state\.npz: .* differ in parameters"):
        merge_shards([first, other], **given)
    with pytest.raises(DataError, match=r"a\.state\.npz: holds image .*, which is not in this split"):
        merge_shards([first], **given | {"split": "val"})
    for share, message in ((Share(3, 2), "K from 1 to N"), (Share(1, 11), "is empty")):
        with pytest.raises(ParameterError, match=message):
            score_shard(maps, share, here / "c", size=SIZE, **given)
    with pytest.raises(ParameterError, match="no states"):
        merge_shards([], **given)


def test_raw_maps_of_any_size_are_upsampled_and_normalised(here: Path) -> None:
    ids = write_boxes(here)
    rng = np.random.default_rng(2)
    raw = {name: (rng.normal(size=(6, 6 + index % 2)) * 9).astype(np.float32) for index, name in enumerate(ids)}
    finished = {name: postprocess(array[None], SIZE)[0] for name, array in raw.items()}
    expected = cub(here, finished).document
    assert cub(here, raw, normalise=True).document == expected
    same = {name: array[:, :6] for name, array in raw.items()}
    finished = {name: postprocess(array[None], SIZE)[0] for name, array in same.items()}
    write_maps(here / "store.safetensors", np.stack(list(same.values())), ids, None, size=SIZE)
    assert cub(here, here / "store.safetensors", size=None).document == cub(here, finished).document


def test_faulty_maps_are_counted(here: Path) -> None:
    ids = write_boxes(here)
    raw = {name: np.full((4, 4), 2.0) for name in ids}
    raw[ids[0]] = np.eye(4)
    raw[ids[1]] = np.full((4, 4), np.nan)
    counts = cub(here, raw, normalise=True).document["counts"]
    assert counts == {"nan_maps": 1, "constant_maps": 8, "empty_maps": 9}
    assert "maps with NaN: 1, constant: 8, empty: 9" in str(cub(here, raw, normalise=True))


def test_one_map_for_all_is_every_image_with_that_map(here: Path) -> None:
    ids = write_boxes(here, images=70)
    one = score_maps(ids[:1], size=6)[ids[0]].astype(np.float32)
    write_maps(here / "one.safetensors", one[None], ids, None, size=SIZE)
    write_maps(here / "all.safetensors", np.stack([one] * 70), ids, None, size=SIZE)
    shared, single = (cub(here, here / f"{name}.safetensors") for name in ("one", "all"))
    assert shared.document == single.document


def test_predictions_add_top_k(here: Path) -> None:
    ids = write_boxes(here)
    labels = read_released(here, "CUB", "test").labels
    assert labels is not None
    lines = [
        f"{name},{label if index % 2 else label + 1}"
        for index, (name, label) in enumerate(zip(ids, labels, strict=True))
    ]
    (here / "classes.csv").write_text("\n".join(lines))
    scores = cub(here, score_maps(ids), predictions=here / "classes.csv", tau=0.3)
    assert scores.values["Top1Cls"] == 50
    assert "Top5Cls" not in scores.values and "Top5Loc" not in scores.values
    hits = scores.images["MaxBoxAcc"]
    assert scores.values["Top1Loc"] <= 100 * hits.mean()
    write_maps(
        here / "store.safetensors",
        np.stack(list(score_maps(ids).values())),
        ids,
        np.array([[label, 7, 8, 9, 10] for label in labels]),
        size=SIZE,
    )
    stored = cub(here, here / "store.safetensors")
    assert stored.values["Top5Cls"] == stored.values["Top1Cls"] == 100
    assert stored.values["Top1Loc"] == stored.values["MaxBoxAcc"]


@pytest.mark.parametrize(
    ("value", "held"), [(np.nan, "NaN"), (-0.25, r"-0\.25"), (1.5, r"1\.5"), (np.inf, "inf"), (-np.inf, "-inf")]
)
def test_values_that_cannot_be_scored_name_image_and_file(value: float, held: str, here: Path) -> None:
    ids = write_boxes(here)
    maps = score_maps(ids)
    maps[ids[7]][3, 4] = value
    folder = write_folder(here / "maps", maps)
    with pytest.raises(
        DataError, match=rf"test_7\.jpg\.npy: the map of image .*test_7\.jpg holds {held}; .*--normalise"
    ):
        cub(here, folder)


def test_nothing_is_scored_before_ids_and_headers_fit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = write_boxes(here)
    folder = write_folder(here / "maps", score_maps(ids))
    np.save(folder / f"{ids[-1]}.npy", np.zeros((SIZE, SIZE + 1)))

    def no_work(*arguments: object) -> None:
        raise AssertionError("a map was read")

    monkeypatch.setattr("wsol.standalone.maps.FolderMaps.read", no_work)
    with pytest.raises(DataError, match=rf"has shape \({SIZE}, {SIZE + 1}\)"):
        cub(here, folder)
    (folder / f"{ids[0]}.npy").unlink()
    with pytest.raises(DataError, match="no map of image"):
        cub(here, folder)


@pytest.mark.parametrize(
    "options", [{"size": 0}, {"threads": 0}, {"tau": -1.0}, {"resamples": -1}, {"contours": "inner"}]
)
def test_options_are_checked(options: dict[str, Any], here: Path) -> None:
    ids = write_boxes(here)
    with pytest.raises(ParameterError):
        cub(here, score_maps(ids), **options)


def test_threads_float32_and_a_second_run_change_no_byte(here: Path) -> None:
    ids = write_boxes(here, images=70)
    maps = {name: array.astype(np.float32) for name, array in score_maps(ids).items()}
    once = cub(here, maps, resamples=10).write(here / "once")
    again = cub(here, write_folder(here / "maps", maps), resamples=10, threads=2).write(here / "again")
    assert [path.suffix for path in once] == [".json", ".csv", ".csv", ".png", ".pdf"]
    for first, second in zip(once, again, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert json.loads(once[0].read_text())["ground_truth"]["kind"] == "released metadata"
