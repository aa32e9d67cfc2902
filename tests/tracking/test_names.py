from __future__ import annotations

import posixpath
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.tracking import glossary, names

CELL = {"seed": 1, "method": "cam", "dataset": "synthbirds", "scale": "demo", "backbone": "vgg16"}


def test_run_name_and_key_do_not_depend_on_order() -> None:
    assert names.run_name(CELL) == "demo · synthbirds · vgg16 · cam · s1"
    assert names.run_name({**CELL, "split": "test", "attribution": "cam+superset", "extra": 3}) == (
        "demo · synthbirds · vgg16 · cam · s1 · cam+superset · test · extra=3"
    )
    assert names.repro_key("train", dict(reversed(CELL.items()))) == "train/demo/synthbirds/vgg16/cam/s1"


def test_flatten() -> None:
    assert names.flatten({"a": {"b": {"c": 1}, "d": []}, "e": {}}) == {"a.b.c": 1, "a.d": [], "e": {}}


@given(st.text(max_size=400))
@settings(deadline=None, max_examples=200)
def test_every_key_is_one_that_mlflow_takes(name: str) -> None:
    clean = names.key(name)
    assert re.fullmatch(r"[/\w.\- :]+", clean)
    assert posixpath.normpath(clean) == clean
    assert clean != "." and not clean.startswith(("..", "/"))
    assert len(clean) <= names.KEY_LIMIT
    assert names.key(clean) == clean


def test_good_keys_stay_and_clashes_stay_apart() -> None:
    assert names.key("test/MaxBoxAccV2 (frozen)") == "test/MaxBoxAccV2 _frozen_"
    assert names.key("val.loss") == "val.loss"
    clean = names.keys({"a@b": 1, "a#b": 2})
    assert sorted(clean.values()) == [1, 2]
    assert "a_b" in clean


def test_values_keep_their_form_and_long_ones_are_cut_with_a_hash() -> None:
    assert [names.text(v) for v in ("x", 0.1, True, None, [1, 2])] == ["x", "0.1", "true", "null", "[1, 2]"]
    long = names.text("é" * 10_000)
    assert len(long) == names.PARAMETER_LIMIT
    assert "sha256" in long


def test_columns_are_results_first_and_few() -> None:
    metrics = [
        "seconds", "loss", "train_accuracy", "val_localisation", "test/MaxBoxAccV2", "test/MaxBoxAccV2 _frozen_",
        "train-fullsup/MaxBoxAccV2", "test/MaxBoxAcc", "test/Top1Loc", "unheard_of",
    ]  # fmt: skip
    chosen = glossary.headline_metrics(metrics)
    assert chosen[:3] == ["test/MaxBoxAccV2", "test/MaxBoxAcc", "test/Top1Loc"]
    assert len(chosen) == 7
    assert "unheard_of" not in chosen
    assert glossary.primary_metric(["loss", "final/val_localisation", "val_localisation"]) == "final/val_localisation"


def test_notes_say_how_to_make_it_again_and_what_metrics_mean() -> None:
    start = {
        "layer": "scores",
        "cell": CELL,
        "command": "wsol score x",
        "tags": {"git.commit": "0123abc", "git.dirty": "True", "target": "results/x.json"},
    }
    note = glossary.run_note(start, ["MaxBoxAccV2", "unheard_of"])
    assert "git checkout 0123abc\nsnakemake --cores all results/x.json" in note
    assert "`MaxBoxAccV2`: mean over IoU" in note
    assert "unheard_of" not in note
    assert "had changes" in note
    assert "wsol score x" in glossary.run_note({**start, "tags": {"git.commit": "None"}}, [])
