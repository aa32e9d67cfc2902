from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from wsol.errors import ParameterError
from wsol.standalone.parameters import PAPERS, deviations, metric_parameters

PARAMS = Path(__file__).parents[2] / "params" / "metrics"


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_the_built_in_parameters_are_those_of_the_repository(name: str) -> None:
    assert PAPERS[name] == yaml.safe_load((PARAMS / f"{name}.yaml").read_text())["parameters"]


def test_they_serve_where_there_is_no_repository(tmp_path: Path) -> None:
    found = metric_parameters(["boxes", "masks"], folder=tmp_path)
    assert found == {name: PAPERS[name] for name in ("boxes", "masks")}
    assert deviations(found) == []
    found["boxes"]["max_box_acc"]["iou"].append(0.9)
    assert PAPERS["boxes"]["max_box_acc"]["iou"] == [0.5]


def test_a_repository_that_says_otherwise_counts_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "masks.yaml").write_text("name: masks\nparameters: {thresholds: 250}\n")
    found = metric_parameters(["masks"], folder=tmp_path)
    assert found == {"masks": {"thresholds": 250}}
    assert deviations(found) == ["masks.thresholds: 250 instead of 1000"]
    for wrong in ("parameters: [1]", "{"):
        (tmp_path / "masks.yaml").write_text(wrong)
        with pytest.raises(ParameterError, match=r"masks\.yaml"):
            metric_parameters(["masks"], folder=tmp_path)
    with pytest.raises(ParameterError, match="metric other has no parameters"):
        metric_parameters(["other"], folder=tmp_path)


def test_options_reach_every_metric_they_are_about(tmp_path: Path) -> None:
    found = metric_parameters(
        ["boxes", "localization"], thresholds=[0, 0.5], contours="external", corners="inclusive", folder=tmp_path
    )
    assert found["boxes"]["thresholds"] == found["localization"]["thresholds"] == [0.0, 0.5]
    assert found["boxes"]["corners"] == found["localization"]["corners"] == "inclusive"
    assert found["boxes"]["max_box_acc_v2"]["contours"] == "external"
    # These are defined by the largest contour.
    assert found["boxes"]["max_box_acc"]["contours"] == found["localization"]["contours"] == "largest"
    assert "boxes.max_box_acc_v2.contours: external instead of all" in deviations(found)


@pytest.mark.parametrize("option", [{"thresholds": 0}, {"contours": "inner"}, {"corners": "round"}])
def test_options_are_checked(option: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        metric_parameters(["boxes"], **option)  # type: ignore[arg-type]
