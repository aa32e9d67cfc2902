"""The table of run times: printed texts, medians, the baselines' mean, what is lacking, and the files."""

from __future__ import annotations

import csv
import io
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from wsol.config.timing import TIMING, load_timing
from wsol.errors import ParameterError
from wsol.reports.claims_reading import read_report
from wsol.reports.timing import DETAILS, TIMING_FIELDS, TimingLine, row_labels, timing_lines
from wsol.reports.timing_printed import load_errata, load_published, parse_count, parse_milliseconds
from wsol.reports.timing_text import timing_csv, timing_markdown

DEFINITION: dict[str, Any] = {
    "title": "Times",
    "source": "a paper",
    "networks": [{"label": "VGG", "backbone": "vgg16"}, {"label": "ResNet", "backbone": "resnet50"}],
    "rows": [
        {"label": "CAM*", "baseline": True, "decoder": False},
        {"label": "GradCAM", "baseline": True, "decoder": False},
        {"label": "ours", "baseline": False, "decoder": True},
        {"label": "ScoreCAM", "baseline": False, "decoder": False},
        {"label": "later", "baseline": False, "decoder": False},
    ],
}


def timing(**changes: Any) -> dict[str, Any]:
    def row(times: list[float], paper: list[float]) -> dict[str, Any]:
        return {"seconds": times, "paper_seconds": paper, "estimate": None}

    rows = {
        "CAM*": row([0.004, 0.001, 0.002], [0.0001, 0.0002, 0.0003]),
        "GradCAM": row([0.006, 0.006, 0.006], [0.0004]),
        "ours": row([0.005], [0.005]),
        "ScoreCAM": {"seconds": [], "paper_seconds": [], "estimate": 1234.5},
    }
    network = {
        "classifier_parameters": 19_600_000,
        "feature_maps": 1024,
        "map_height": 29,
        "map_width": 28,
        "decoder_parameters": None,
    }
    machine = {"image_size": 64, "width": 0.5, "device": "cpu", "hardware": "A processor", "threads": 2}
    return {"rows": rows | changes, "network": network, **machine}


def made(timings: dict[str, dict[str, Any]]) -> dict[tuple[str, str], TimingLine]:
    lines = timing_lines(DEFINITION, timings, {("ours", "VGG"): 6.2}, {("SFM", "VGG"): "printed 28"})
    return {(line.row, line.backbone): line for line in lines}


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [(".2ms", 0.2), ("27.8ms", 27.8), ("16.0", 16), ("1.9sec", 1900), ("1min45sec", 105_000), ("2min", 120_000)],
)
def test_printed_times(text: str, milliseconds: float) -> None:
    assert parse_milliseconds(text) == pytest.approx(milliseconds)


@pytest.mark.parametrize(("text", "count"), [("≈19.6", 19.6), ("1024", 1024), ("28x28", 28), ("≈9", 9)])
def test_printed_counts(text: str, count: float) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "fast", "1h", "min", "12 ms x"])
def test_what_is_no_time_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ParameterError, match=r"Table, VGG: .* is no time"):
        parse_milliseconds(text, "Table, VGG")


@pytest.mark.parametrize("text", ["", "28x29", "many"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="is no count"):
        parse_count(text)


def test_the_papers_table_is_read_whole_and_its_means_are_those_of_the_six_baselines() -> None:
    definition = load_timing()
    rows = [*DETAILS, *row_labels(definition)]
    networks = [network["label"] for network in definition["networks"]]
    published = load_published(TIMING.parent / definition["published"], rows, networks)
    assert set(published) == {(row, network) for row in rows for network in networks}
    baselines = [row["label"] for row in definition["rows"] if row["baseline"]]
    assert len(baselines) == 6
    for network in networks:
        mean = statistics.fmean(published[row, network] for row in baselines)
        # 16.58 is rounded to 16.6, 38.85 cut off to 38.8.
        assert published["Mean", network] in {int(10 * mean + shift + 1e-9) / 10 for shift in (0, 0.5)}
    assert published["SSCAM", "ResNet"] == 349_000
    errata = load_errata(TIMING.parent / definition["errata"], definition["id"])
    assert set(errata) == {("SFM", "Inception")}
    assert errata["SFM", "Inception"].startswith("printed 28, correct 29: ")


def test_an_unknown_row_of_printed_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("row,VGG\nCAN,1ms\n")
    with pytest.raises(ParameterError, match="row 'CAN' is not in the table"):
        load_published(path, ["CAM"], ["VGG"])


def test_a_time_is_the_median_and_the_mean_is_that_of_the_baselines() -> None:
    found = made({"vgg16": timing()})
    cam, mean = found["CAM*", "vgg16"], found["Mean", "vgg16"]
    assert (cam.value, cam.paper_way, cam.repeats) == (pytest.approx(2), pytest.approx(0.2), 3)
    assert cam.std == pytest.approx(statistics.stdev([4, 1, 2]))
    assert (mean.value, mean.paper_way) == (pytest.approx(4), pytest.approx(0.3))
    assert mean.std == pytest.approx(statistics.stdev([4, 1, 2]) / 2)
    assert list(dict.fromkeys(row for row, _ in found)) == [
        *DETAILS,
        "CAM*",
        "GradCAM",
        "Mean",
        "ours",
        "ScoreCAM",
        "later",
        "Mean, paper's way",
        "ours, paper's way",
    ]
    again = found["Mean, paper's way", "vgg16"]
    assert (again.value, again.std, again.repeats) == (mean.paper_way, None, 1), "GradCAM was timed once"
    paper = {"seconds": [0.006], "paper_seconds": [0.0004, 0.0008], "estimate": None}
    twice = made({"vgg16": timing(GradCAM=paper)})["Mean, paper's way", "vgg16"]
    spread = math.hypot(statistics.stdev([0.1, 0.2, 0.3]), statistics.stdev([0.4, 0.8])) / 2
    assert (twice.value, twice.std, twice.repeats) == (pytest.approx(0.4), pytest.approx(spread), 2)
    assert (found["ours, paper's way", "vgg16"].value, found["ours, paper's way", "vgg16"].published) == (5, 6.2)
    ours = found["ours", "vgg16"]
    assert (ours.published, ours.std, ours.hardware, ours.threads) == (6.2, None, "A processor", 2)


def test_what_has_no_value_says_why() -> None:
    found = made({"vgg16": timing()})
    assert found["later", "vgg16"].status == "missing"
    assert found["#PDEC", "vgg16"].status == "missing"
    dear = found["ScoreCAM", "vgg16"]
    assert (dear.status, dear.value) == ("too-long", None)
    assert "about 1234 s" in dear.note
    assert {line.status for (_, backbone), line in found.items() if backbone == "resnet50"} == {"not-in-scale"}
    costly = {"seconds": [], "paper_seconds": [], "estimate": 9.0}
    assert made({"vgg16": timing(GradCAM=costly)})["Mean", "vgg16"].status == "too-long"


def test_details_are_counts_and_a_map_that_is_not_square_says_so() -> None:
    found = made({"vgg16": timing()})
    assert (found["#PCL", "vgg16"].value, found["#PCL", "vgg16"].unit) == (19.6, "million")
    assert found["#NFM", "vgg16"].value == 1024
    side = found["SFM", "vgg16"]
    assert (side.value, side.note, side.erratum) == (29, "29×28", "printed 28")


def test_the_files_hold_every_line_and_name_the_hardware(tmp_path: Path) -> None:
    lines = list(made({"vgg16": timing()}).values())
    read = list(csv.DictReader(io.StringIO(timing_csv(lines, "tiny"))))
    assert list(read[0]) == ["scale", *TIMING_FIELDS]
    assert len(read) == len(lines) == 2 * (len(DETAILS) + 8)
    (ours,) = (line for line in read if (line["row"], line["backbone"]) == ("ours", "vgg16"))
    assert {name: ours[name] for name in ("scale", "value", "std", "repeats", "status")} == {
        "scale": "tiny",
        "value": "5.0",
        "std": "",
        "repeats": "1",
        "status": "measured",
    }
    path = tmp_path / "fcam_tableF4.csv"
    path.write_text(timing_csv(lines, "tiny"))
    assert len(read_report(path)) == len(lines), "claims read it too"
    page = timing_markdown(lines, DEFINITION, "tiny")
    assert "VGG: width 0.5, one image of 64 px; cpu, A processor, 2 threads." in page
    assert "| ours | 5 / 5 (6.2) | not-in-scale |" in page
    assert "- SFM, VGG: printed 28" in page
