from __future__ import annotations

import json

import numpy as np
import pytest

from wsol.errors import ParameterError
from wsol.metrics.blocks import MetricResult
from wsol.metrics.bootstrap import bootstrap_hits, bootstrap_means, bootstrap_pixels, interval
from wsol.metrics.curves import HitCurves
from wsol.metrics.details import Details, describe, in_order
from wsol.metrics.levels import threshold_grid

COUNT = 30
LABELS = np.arange(COUNT) % 3
SIZES = np.linspace(0, 1, COUNT)
SIZES[4] = np.nan


def total(seed: int = 0) -> MetricResult:
    rng = np.random.default_rng(seed)
    curves = HitCurves(2, threshold_grid(100))
    curves.add(rng.random((COUNT, 2, 256)) < 0.6, np.full(COUNT, 255, np.uint8))
    result = MetricResult()
    result.add_curves(["A", "B"], curves)
    result.add_mean("M", ["A", "B"])
    result.add_share("Cls", rng.random(COUNT) < 0.4)
    result.values["PxAP"] = 1.0
    result.histograms["PxAP"] = rng.integers(0, 9, (COUNT, 2, 11)).astype(np.uint16)
    result.values["Else"] = 5.0
    return result


def described(**details) -> dict:
    found = describe(total(), Details(**details), LABELS, SIZES, 4)
    json.dumps(found, allow_nan=False)
    return found


def test_nothing_is_described_unasked():
    assert described() == {}


def test_intervals_are_those_of_the_bootstrap_in_percent():
    found = described(resamples=50, seed=6)["intervals"]
    drawn = bootstrap_hits(total().hits["A"][0], 50, 6).best
    assert (found["resamples"], found["seed"], found["coverage"]) == (50, 6, 0.95)
    assert found["values"].keys() == {"A", "B", "M", "Cls", "PxAP"}
    assert found["values"]["B"] == list(interval(100 * drawn[:, 1]))
    assert found["values"]["M"] == pytest.approx(interval(100 * drawn.mean(axis=1)), rel=1e-12)
    assert found["values"]["Cls"] == pytest.approx(interval(100 * bootstrap_means(total().images["Cls"], 50, 6)))
    assert found["values"]["PxAP"] == list(interval(100 * bootstrap_pixels(total().histograms["PxAP"], 50, 6)))
    assert "fixed" not in found


def test_fixed_thresholds_may_differ_between_values():
    curves = total().hits["A"][0]
    found = described(fixed={"A": 0.25, "B": 0.5}, resamples=50)
    percent = 100 * curves.counts / COUNT
    assert found["fixed"]["thresholds"] == {"A": 0.25, "B": 0.5}
    assert found["fixed"]["values"] == {
        "A": percent[0, 25],
        "B": percent[1, 50],
        "Cls": total().values["Cls"],
        "PxAP": 1.0,
        "Else": 5.0,
        "M": pytest.approx((percent[0, 25] + percent[1, 50]) / 2, rel=1e-12),
    }
    drawn = bootstrap_hits(curves, 50, 0, [0.25, 0.5]).fixed
    assert found["intervals"]["fixed"].keys() == {"A", "B", "M"}
    assert found["intervals"]["fixed"]["B"] == list(interval(100 * drawn[:, 1]))
    assert found["intervals"]["fixed"]["M"] == pytest.approx(interval(100 * drawn.mean(axis=1)), rel=1e-12)


def test_breakdowns_add_up_to_the_values():
    found = described(breakdown=True, fixed=0.3)["breakdown"]
    for groups, everyone in ((found["classes"], COUNT), (found["sizes"], COUNT - 1)):
        assert sum(groups["n"]) == everyone
        assert groups["values"].keys() == {"A", "B", "M", "Cls", "PxAP"}
        assert groups["fixed"].keys() == {"A", "B", "M"}
    assert found["classes"]["n"] == [10, 10, 10, 0]
    for name in ("A", "B", "Cls"):
        of_class = found["classes"]["values"][name]
        assert 100 * sum(of_class["hits"]) / COUNT == pytest.approx(total().values[name], rel=1e-12)
        assert of_class["value"] == [*(10.0 * hits for hits in of_class["hits"][:3]), None]
    fixed = found["classes"]["fixed"]
    assert sum(fixed["A"]["hits"]) == total().hits["A"][0].counts[0, 30]
    means = [(a + b) / 2 for a, b in zip(fixed["A"]["value"][:3], fixed["B"]["value"][:3], strict=True)]
    assert fixed["M"]["value"] == [*map(pytest.approx, means), None]
    assert found["sizes"]["names"][0] == "small" and len(found["sizes"]["edges"]) == 5


def test_rows_of_everything_move_together():
    rows = np.random.default_rng(1).permutation(COUNT)
    moved = in_order(total(), rows)
    assert (moved.images["A"] == total().images["A"][rows]).all()
    assert (moved.histograms["PxAP"] == total().histograms["PxAP"][rows]).all()
    curves, level = moved.hits["B"]
    assert (curves.hits()[:, level] == total().hits["B"][0].hits()[rows][:, 1]).all()
    assert moved.hits["A"][0] is curves
    asked = Details(breakdown=True, fixed=0.4)
    assert describe(moved, asked, LABELS[rows], SIZES[rows], 4) == describe(total(), asked, LABELS, SIZES, 4)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"resamples": -1}, "resamples: -1"),
        ({"resamples": 5, "seed": -1}, "seed: -1"),
        ({"fixed": -0.5}, "from 0 up"),
        ({"fixed": {"A": np.nan, "B": 0.5}}, "from 0 up"),
        ({"fixed": {"A": 0.5}}, "no fixed threshold is given for B"),
    ],
)
def test_what_makes_no_sense_is_refused(wanted, message):
    with pytest.raises(ParameterError, match=message):
        described(**wanted)
