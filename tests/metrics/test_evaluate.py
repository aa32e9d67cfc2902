from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import yaml

import wsol.metrics
from wsol.errors import DataError, ParameterError
from wsol.metrics import blocks as blocks_module
from wsol.metrics import boxes as boxes_module
from wsol.metrics.blocks import Block, Split
from wsol.metrics.boxes import box_accuracy
from wsol.metrics.evaluate import applicable, evaluate, freeze, metric_names, metric_type
from wsol.metrics.levels import quantise
from wsol.metrics.localization import topk_hits
from wsol.metrics.masks import pixel_average_precision

PARAMS = Path(__file__).parents[2] / "params" / "metrics"
ALL = ["boxes", "localization", "classification", "masks"]
PARAMETERS = {name: yaml.safe_load((PARAMS / f"{name}.yaml").read_text())["parameters"] for name in ALL}
TEST = Split("toy", "test", 6)
VAL = Split("toy", "train-fullsup", 6)


def toy(seed: int, count: int = 9, size: int = 16) -> Block:
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:size, :size]
    centres = rng.integers(4, 12, (count, 2))
    maps = np.stack([np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / rng.uniform(5, 30)) for y, x in centres])
    maps = (maps - maps.min(axis=(1, 2), keepdims=True)) / np.ptp(maps, axis=(1, 2), keepdims=True)
    masks = rng.choice([0, 1, 255], (count, size, size)).astype(np.uint8)
    boxes = [
        np.array([[x - 3, y - 3, x + 3, y + 3]], dtype=float) for y, x in centres + rng.integers(-1, 2, (count, 2))
    ]
    ranked = np.argsort(rng.random((count, 6)), axis=1)[:, :5]
    return Block(maps, [f"{seed}/{i}.jpg" for i in range(count)], rng.integers(0, 6, count), boxes, masks, ranked)


def part(block: Block, start: int, stop: int) -> Block:
    return Block(
        block.score_maps[start:stop],
        block.image_ids[start:stop],
        block.labels[start:stop],
        block.boxes[start:stop],
        block.masks[start:stop],
        block.predictions[start:stop],
        {"nan_maps": 1},
    )


def test_values_are_those_of_the_metrics_in_percent():
    block = toy(0)
    result, images = evaluate(ALL, PARAMETERS, [block], TEST)
    values = result["values"]
    every = box_accuracy(block.score_maps, block.boxes)
    largest = box_accuracy(block.score_maps, block.boxes, (0.5,), "largest")
    assert values["MaxBoxAcc"] == pytest.approx(100 * largest.max_box_acc, rel=1e-12)
    assert values["MaxBoxAccV2"] == pytest.approx(100 * every.max_box_acc_v2, rel=1e-12)
    for level, name in enumerate(["BoxAccV2@30", "BoxAccV2@50", "BoxAccV2@70"]):
        assert values[name] == pytest.approx(100 * every.best[level], rel=1e-12)
        assert result["thresholds"][name] == every.best_threshold[level]
        np.testing.assert_allclose(result["curves"][name], 100 * every.curve[level], rtol=1e-12)
        at_best = every.hits[:, level, result["threshold_index"][name]]
        assert (images[name] == at_best).all()
    for k in (1, 5):
        curve = topk_hits(largest.hits, block.predictions, block.labels, k).mean(axis=0)[0]
        assert values[f"Top{k}Loc"] == pytest.approx(100 * curve.max(), rel=1e-12)
    assert values["Top1Cls"] == pytest.approx(100 * np.mean(block.predictions[:, 0] == block.labels))
    assert values["PxAP"] == 100 * pixel_average_precision(block.score_maps, block.masks).ap
    assert list(images["image_id"]) == list(block.image_ids)
    assert {len(column) for column in images.values()} == {9}


def test_result_is_json_and_does_not_depend_on_the_blocks():
    block = toy(1)
    whole, columns = evaluate(ALL, PARAMETERS, [block], TEST)
    split, other_columns = evaluate(ALL, PARAMETERS, (part(block, a, b) for a, b in ((0, 2), (2, 3), (3, 9))), TEST)
    assert columns.keys() == other_columns.keys()
    assert all((columns[name] == other_columns[name]).all() for name in columns)
    assert split["counts"] == {"nan_maps": 3, "constant_maps": 0, "empty_maps": 0}
    whole.pop("counts"), split.pop("counts")
    assert json.dumps(whole, allow_nan=False) == json.dumps(split, allow_nan=False)


def test_identities_of_the_values():
    values = evaluate(ALL, PARAMETERS, [toy(2)], TEST).result["values"]
    for k in (1, 5):
        assert values[f"Top{k}Loc"] <= min(values["MaxBoxAcc"], values[f"Top{k}Cls"])
    assert values["Top1Loc"] <= values["Top5Loc"]
    assert values["BoxAccV2@70"] <= values["BoxAccV2@50"] <= values["BoxAccV2@30"]
    assert values["MaxBoxAcc"] <= values["BoxAccV2@50"]


def test_empty_maps_are_counted():
    block = toy(3)
    block.score_maps[:4] = 0.5 / 255
    assert evaluate(["boxes"], PARAMETERS, [block], TEST).result["counts"]["empty_maps"] == 4


def test_maps_are_not_quantised_again_to_count_the_empty_ones(monkeypatch):
    def refuse(maps):
        assert np.ndim(maps) == 1, "only the largest score of each map needs a grey level"
        return quantise(maps)

    monkeypatch.setattr(blocks_module, "quantise", refuse)
    block = toy(3)
    block.score_maps[2:5] = np.nextafter(1 / 255, 0)
    block.score_maps[5] = 1 / 255
    for metrics in (["boxes"], ["classification"]):
        assert evaluate(metrics, PARAMETERS, [block], TEST).result["counts"]["empty_maps"] == 3


class DeviceArray:
    """As much of a CuPy array as the evaluation itself may ask for; it cannot become a NumPy array unasked."""

    __cuda_array_interface__: ClassVar[dict[str, int]] = {"version": 3}

    def __init__(self, host):
        self.host, self.shape = host, host.shape

    def __len__(self):
        return len(self.host)

    def __array__(self, *_, **__):
        raise TypeError("implicit conversion to a host array")

    def max(self, axis):
        return DeviceArray(self.host.max(axis=axis))

    def get(self):
        return self.host


def test_maps_may_lie_on_a_device():
    block = toy(3)
    block.score_maps[:4] = 0.5 / 255
    host = evaluate(["classification"], PARAMETERS, [block], TEST).result
    block.score_maps = DeviceArray(block.score_maps)
    assert evaluate(["classification"], PARAMETERS, [block], TEST).result == host
    assert host["counts"]["empty_maps"] == 4


def test_boxes_are_drawn_once_for_all_metrics(monkeypatch):
    calls = []
    original = boxes_module.best_iou
    monkeypatch.setattr(boxes_module, "best_iou", lambda *a, **k: calls.append(1) or original(*a, **k))
    block = toy(4)
    evaluate(ALL, PARAMETERS, [part(block, 0, 4), part(block, 4, 9)], TEST)
    assert len(calls) == 2


def test_frozen_values_are_the_test_curves_at_the_thresholds_of_val():
    test, val = (evaluate(ALL, PARAMETERS, [toy(seed)], split).result for seed, split in ((5, TEST), (6, VAL)))
    frozen = freeze(test, val)
    assert frozen["chosen_on"] == {"dataset": "toy", "split": "train-fullsup"}
    assert frozen["values"].keys() == test["values"].keys()
    for name, index in val["threshold_index"].items():
        assert frozen["values"][name] == test["curves"][name][index]
        assert frozen["thresholds"][name] == val["thresholds"][name]
        assert frozen["values"][name] <= test["values"][name]
    levels = [frozen["values"][f"BoxAccV2@{level}"] for level in (30, 50, 70)]
    assert frozen["values"]["MaxBoxAccV2"] == pytest.approx(np.mean(levels), rel=1e-12)
    for name in ("PxAP", "Top1Cls", "Top5Cls"):
        assert frozen["values"][name] == test["values"][name]
    assert freeze(test, test)["values"] == test["values"]


def test_frozen_values_need_equal_parameters():
    test = evaluate(["boxes"], PARAMETERS, [toy(5)], TEST).result
    coarse = {"boxes": PARAMETERS["boxes"] | {"thresholds": 10}}
    with pytest.raises(DataError, match="different metric parameters"):
        freeze(test, evaluate(["boxes"], coarse, [toy(6)], VAL).result)


def test_a_new_metric_is_a_new_module(tmp_path, monkeypatch):
    (tmp_path / "brightness.py").write_text(
        "from wsol.metrics.blocks import MetricResult\n"
        "class Metric:\n"
        "    needs = ()\n"
        "    def __init__(self, parameters, split): self.scale, self.means = parameters['scale'], []\n"
        "    def add(self, block): self.means.extend(block.score_maps.mean(axis=(1, 2)))\n"
        "    def result(self):\n"
        "        return MetricResult(values={'Brightness': self.scale * sum(self.means) / len(self.means)})\n"
    )
    monkeypatch.setattr(wsol.metrics, "__path__", [*wsol.metrics.__path__, str(tmp_path)])
    block = toy(7)
    result = evaluate(["brightness"], {"brightness": {"scale": 100}}, [block], TEST).result
    assert result["values"]["Brightness"] == pytest.approx(100 * block.score_maps.mean())
    assert "brightness" in metric_names()


def test_metrics_are_found_by_name_and_by_what_they_need():
    assert {"boxes", "masks", "localization", "classification"} <= set(metric_names())
    assert "iou" not in metric_names()
    assert applicable(ALL, ["boxes"]) == ["boxes"]
    assert applicable(ALL, ["masks", "predictions"]) == ["classification", "masks"]
    for wrong in ("boxen", "iou", "../boxes", "evaluate.x"):
        with pytest.raises(ParameterError, match=r"the metrics are .*boxes"):
            metric_type(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": None}, "metric boxes needs boxes"),
        ({"masks": None}, "metric masks needs masks"),
        ({"predictions": None}, "needs predictions"),
        ({"boxes": [np.array([[0, 0, 1, 1]])]}, r"9 images but 1 boxes; image 8/1\.jpg has none"),
        (
            {"masks": np.zeros((9, 8, 16), np.uint8)},
            r"image 8/0\.jpg has a mask of 16 x 8 pixels and a score map of 16",
        ),
        ({"score_maps": np.zeros((9, 1, 16, 16))}, r"shape \(9, 1, 16, 16\)"),
        ({"labels": np.arange(9)}, r"image 8/6\.jpg has class index 6"),
        ({"labels": np.zeros(3, dtype=int)}, "3 labels"),
        ({"image_ids": ["same.jpg"] * 9}, r"same\.jpg was scored twice"),
    ],
)
def test_incomplete_blocks_are_refused(change, message):
    block = toy(8)
    for name, value in change.items():
        setattr(block, name, value)
    with pytest.raises(DataError, match=message):
        evaluate(ALL, PARAMETERS, [block], TEST)


def test_maps_must_have_the_size_of_the_frame():
    split = Split("toy", "test", 6, frame=(16, 24))
    with pytest.raises(DataError, match=r"image 8/0\.jpg has a score map of 16 x 16 pixels.*frame of 24 x 16 pixels"):
        evaluate(["boxes"], PARAMETERS, [toy(8)], split)
    same = evaluate(["boxes"], PARAMETERS, [toy(8)], Split("toy", "test", 6, frame=(16, 16)))
    assert same.result == evaluate(["boxes"], PARAMETERS, [toy(8)], TEST).result


def test_images_must_be_those_of_the_split():
    block = toy(8)
    names = list(block.image_ids)
    with pytest.raises(DataError, match=r"image 8/8\.jpg was not scored, and 0 more"):
        evaluate(["boxes"], PARAMETERS, [part(block, 0, 8)], TEST, image_ids=names)
    with pytest.raises(DataError, match=r"image 8/5\.jpg is not in this split"):
        evaluate(["boxes"], PARAMETERS, [block], TEST, image_ids=names[:5])
    with pytest.raises(DataError, match=r"image 8/1\.jpg was scored twice"):
        evaluate(["boxes"], PARAMETERS, [part(block, 0, 2), part(block, 1, 9)], TEST, image_ids=names)
    columns = evaluate(["boxes"], PARAMETERS, [block], TEST, image_ids=names[::-1]).images
    assert list(columns["image_id"]) == names[::-1]
    assert list(columns["class_index"]) == list(block.labels[::-1])


def test_an_image_of_another_split_costs_no_work(monkeypatch):
    monkeypatch.setattr(boxes_module, "best_iou", lambda *a, **k: pytest.fail("scored before it was checked"))
    with pytest.raises(DataError, match="is not in this split"):
        evaluate(["boxes"], PARAMETERS, [toy(8)], TEST, image_ids=["8/0.jpg"])


def test_no_images_is_an_error():
    with pytest.raises(DataError, match="no image to score"):
        evaluate(["boxes"], PARAMETERS, [], TEST)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("boxes", {"thresholds": 10}, "missing"),
        ("boxes", PARAMETERS["boxes"] | {"step": 1}, "unknown"),
        ("boxes", PARAMETERS["boxes"] | {"max_box_acc": {"iou": [0.5, 0.7], "contours": "largest"}}, "one IoU level"),
        ("boxes", PARAMETERS["boxes"] | {"max_box_acc": {"iou": [0.5], "contours": "outer"}}, "contours"),
        ("boxes", PARAMETERS["boxes"] | {"max_box_acc": 5}, "not a mapping"),
        ("masks", {"thresholds": [0.5, 0.2]}, "PxAP"),
        ("localization", PARAMETERS["localization"] | {"top": [0]}, "localization.top"),
        ("localization", PARAMETERS["localization"] | {"iou": [0.3, 0.5]}, "one IoU level"),
        ("classification", {"top": []}, "classification.top"),
    ],
)
def test_bad_parameters_are_refused(name, parameters, message):
    with pytest.raises(ParameterError, match=message):
        evaluate([name], {name: parameters}, [toy(9)], TEST)


def test_metrics_need_parameters_and_names_of_their_own():
    with pytest.raises(ParameterError, match=r"params/metrics/boxes\.yaml"):
        evaluate(["boxes"], {}, [toy(9)], TEST)
