from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, Split
from wsol.metrics.evaluate import evaluate
from wsol.metrics.evaluator import Evaluation, Evaluator

PARAMS = Path(__file__).parents[2] / "params" / "metrics"
ALL = ["boxes", "localization", "classification", "masks"]
PARAMETERS = {name: yaml.safe_load((PARAMS / f"{name}.yaml").read_text())["parameters"] for name in ALL}
TEST = Split("toy", "test", 4, frame=(12, 12))
DETAILS = {"resamples": 20, "seed": 3, "breakdown": True, "fixed": 0.35}


def toy(seed: int = 0, count: int = 8, size: int = 12) -> Block:
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:size, :size]
    centres = rng.integers(3, 9, (count, 2))
    maps = np.stack([np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / rng.uniform(5, 30)) for y, x in centres])
    maps *= rng.choice([0.9, 1.0], (count, 1, 1))
    maps[0] = 0
    masks = rng.choice([0, 1, 255], (count, size, size)).astype(np.uint8)
    sides = rng.integers(1, 5, count)
    boxes = [np.array([[x - s, y - s, x + s, y + s]], float).clip(0) for (y, x), s in zip(centres, sides, strict=True)]
    ranked = np.stack([np.append(rng.permutation(4), -1) for _ in range(count)])
    names = [f"{number:02}.jpg" for number in rng.permutation(count)]
    return Block(maps, names, rng.integers(0, 4, count), boxes, masks, ranked, {"nan_maps": 0, "constant_maps": 1})


def chosen(block: Block, rows: list[int]) -> Block:
    return Block(
        block.score_maps[rows],
        [block.image_ids[row] for row in rows],
        block.labels[rows],
        [block.boxes[row] for row in rows],
        block.masks[rows],
        block.predictions[rows],
        {"nan_maps": 0, "constant_maps": int(0 in rows)},
    )


def evaluator(**changes) -> Evaluator:
    return Evaluator(ALL, PARAMETERS, TEST, **{"keep_images": True} | changes)


def same(one: Evaluation, other: Evaluation) -> None:
    assert json.dumps(one.result, allow_nan=False) == json.dumps(other.result, allow_nan=False)
    assert one.images.keys() == other.images.keys()
    assert all((one.images[name] == other.images[name]).all() for name in one.images)


WHOLE = toy()
EXPECTED = evaluate(ALL, PARAMETERS, [WHOLE], TEST, **DETAILS)


@given(
    owners=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    order=st.permutations(range(8)),
    saved=st.lists(st.booleans(), min_size=4, max_size=4),
    one_by_one=st.booleans(),
)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sharing_out_the_images_changes_nothing(tmp_path, owners, order, saved, one_by_one):
    parts = []
    for owner in range(4):
        part = evaluator(image_ids=WHOLE.image_ids)
        rows = [row for row in order if owners[row] == owner]
        for piece in [[row] for row in rows] if one_by_one else [rows]:
            part.add(chosen(WHOLE, piece))
        if saved[owner]:
            part.save(tmp_path / f"{owner}.npz")
            part = Evaluator.load(tmp_path / f"{owner}.npz", image_ids=WHOLE.image_ids)
        parts.append(part)
    first, *others = parts
    for other in others:
        first.merge(other)
    same(first.result(WHOLE.image_ids, **DETAILS), EXPECTED)
    merged = first.result(**DETAILS)
    assert merged.result == EXPECTED.result
    assert list(merged.images["image_id"]) == first.image_ids


def test_details_leave_the_rest_as_it_is():
    plain = evaluate(ALL, PARAMETERS, [WHOLE], TEST)
    assert {"intervals", "breakdown", "fixed"}.isdisjoint(plain.result)
    assert {key: EXPECTED.result[key] for key in plain.result} == plain.result
    assert plain.result["counts"] == {"nan_maps": 0, "constant_maps": 1, "empty_maps": 1}
    same(_filled(keep_images=False).result(), plain)


def _filled(keep_images: bool = True) -> Evaluator:
    result = evaluator(keep_images=keep_images)
    result.add(WHOLE)
    return result


def test_the_same_state_is_the_same_file(tmp_path):
    for name in ("one", "two"):
        _filled().save(tmp_path / f"{name}.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.npz", "two.npz"]


def test_state_can_be_carried_as_it_is():
    state = _filled().state()
    json.dumps(state["metadata"])
    again = evaluator()
    again.restore(state)
    same(again.result(**DETAILS), EXPECTED)


def test_parameters_may_be_tuples_and_arrays(tmp_path):
    parameters = PARAMETERS | {
        "classification": {"top": (1, 5)},
        "masks": {"thresholds": np.arange(10) / 10},
    }
    parts = [Evaluator(ALL, parameters, TEST) for _ in range(2)]
    for part, rows in zip(parts, ([0, 1, 2], [3, 4, 5, 6, 7]), strict=True):
        part.add(chosen(WHOLE, rows))
    parts[1].save(tmp_path / "part.npz")
    parts[0].merge(Evaluator.load(tmp_path / "part.npz"))
    whole = evaluate(ALL, parameters, [WHOLE], TEST).result
    assert parts[0].result().result["values"] == whole["values"]


def test_an_empty_block_is_nothing():
    filled = _filled()
    filled.add(chosen(WHOLE, []))
    same(filled.result(**DETAILS), EXPECTED)


def test_an_image_twice_is_refused_wherever_it_comes_from(tmp_path):
    filled, part = _filled(), evaluator()
    part.add(chosen(WHOLE, [3]))
    message = rf"image {WHOLE.image_ids[3]} was scored twice"
    with pytest.raises(DataError, match=message):
        filled.add(chosen(WHOLE, [3]))
    with pytest.raises(DataError, match=message):
        filled.merge(part)
    with pytest.raises(DataError, match=message):
        filled.restore(part.state())
    same(filled.result(**DETAILS), EXPECTED)


def test_only_the_same_evaluation_can_be_merged():
    coarse = PARAMETERS | {"masks": {"thresholds": 10}}
    others = {
        "parameters": Evaluator(ALL, coarse, TEST, keep_images=True),
        "split": Evaluator(ALL, PARAMETERS, replace(TEST, split="train-fullsup"), keep_images=True),
        "keep_images": evaluator(keep_images=False),
    }
    for key, other in others.items():
        with pytest.raises(DataError, match=f"differ in {key}"):
            _filled().merge(other)
        with pytest.raises(DataError, match=f"differ in {key}"):
            other.restore(_filled().state())


def test_missing_and_foreign_images_are_named():
    partial = evaluator(image_ids=WHOLE.image_ids)
    partial.add(chosen(WHOLE, [0, 1, 2, 3, 4, 5]))
    with pytest.raises(DataError, match=rf"image {min(WHOLE.image_ids[6:])} was not scored, and 1 more"):
        partial.result()
    with pytest.raises(DataError, match=r"image zz\.jpg was not scored, and 0 more"):
        _filled().result([*WHOLE.image_ids, "zz.jpg"])
    with pytest.raises(DataError, match=rf"image {WHOLE.image_ids[7]} was scored, and 0 more"):
        _filled().result(WHOLE.image_ids[:7])
    with pytest.raises(DataError, match=r"no image to score"):
        evaluator().result()


def test_a_refused_block_does_not_go_unnoticed():
    broken = evaluator()
    broken.add(chosen(WHOLE, [0]))
    bad = chosen(WHOLE, [1, 2])
    bad.score_maps[1, 0, 0] = np.nan
    with pytest.raises(DataError, match=rf"image {bad.image_ids[1]}: its score map holds nan"):
        broken.add(bad)
    for act in (broken.result, broken.state, lambda: broken.add(chosen(WHOLE, [3])), lambda: _filled().merge(broken)):
        with pytest.raises(DataError, match="an earlier block was refused"):
            act()


def test_details_need_images_that_were_kept():
    for details in ({"resamples": 10}, {"breakdown": True}):
        with pytest.raises(ParameterError, match="keep_images=True"):
            _filled(keep_images=False).result(**details)
    assert _filled(keep_images=False).result(fixed=0.35).result["fixed"] == EXPECTED.result["fixed"]


def test_files_that_are_no_evaluation_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", maps=np.zeros(3))
    np.savez(tmp_path / "old.npz", metadata=np.frombuffer(b'{"format": 0}', dtype=np.uint8))
    with open(tmp_path / "array.npz", "wb") as stream:
        np.save(stream, np.zeros(3))
    for name, message in (
        ("none", "no such file"),
        ("text", "not a saved"),
        ("other", "not a saved"),
        ("array", "not a saved"),
        ("old", "another format"),
    ):
        with pytest.raises(DataError, match=message):
            Evaluator.load(tmp_path / f"{name}.npz")
