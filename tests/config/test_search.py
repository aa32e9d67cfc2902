"""Settings of draws and of the choice, the layer that an adopted search adds, and what neither may depend on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from wsol.config.method import load_method
from wsol.config.names import available_methods
from wsol.config.resolve import ExpectedTexts, hyperparameters, settings_of, train_settings
from wsol.config.scale import load_scale
from wsol.config.search import draw_settings, proxy_source, ranges_of, search_settings
from wsol.config.searched import searched_path
from wsol.errors import ParameterError
from wsol.files import canonical_json
from wsol.methods import load
from wsol.testing.parameters import forget
from wsol.workflow.targets import Targets

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("checkout")
CELL = ("smoke", "synthbirds", "resnet50", "has")
STEM = "results/smoke/params/search/synthbirds/resnet50/has"


def edit(name: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = Path("params") / name
    value = yaml.safe_load(path.read_text())
    change(value)
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    forget()


def search(**settings: Any) -> None:
    edit("scales/smoke.yaml", lambda value: value.update(search=settings))


def adopt(content: dict[str, Any], cell: tuple[str, str, str, str] = CELL) -> None:
    path = searched_path(*cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))


def adopted(**values: Any) -> dict[str, Any]:
    names = ("scale", "dataset", "backbone", "method")
    return {"source": "a test", "cell": dict(zip(names, CELL, strict=True)), "set": values}


def test_every_trained_method_of_the_protocol_searches_its_learning_rate_and_its_own_options() -> None:
    # The published ranges of section 3.3 of the protocol's summary; CALM tunes the learning rate alone.
    own = {
        "cam": set(),
        "has": {"drop_rate", "patch"},
        "acol": {"erase_threshold"},
        "adl": {"drop_rate", "threshold"},
        "spg": {f"{branch}_{side}" for branch in ("b1", "b2", "c") for side in ("low", "high")},
        "cutmix": {"mix_probability", "beta"},
        "calm_em": set(),
        "calm_ml": set(),
    }
    for method, options in own.items():
        assert set(ranges_of(method)) == {"learning_rate", *(f"options.{name}" for name in options)}, method
    rates = {
        method: (ranges_of(method)["learning_rate"]["low"], ranges_of(method)["learning_rate"]["high"])
        for method in own
    }
    assert {rates.pop("calm_em"), rates.pop("calm_ml")} == {(1e-5, 0.1)}
    assert set(rates.values()) == {(1e-5, 1)}


def test_every_drawn_value_is_one_that_its_method_takes() -> None:
    searched = [
        name for name in available_methods() if load_method(name)["trained"] and load_method(name).get("search")
    ]
    assert {"cam", "has", "spg", "pretraining"} <= set(searched)
    for method in searched:
        dataset = "synthmix" if method == "pretraining" else "synthbirds"
        for draw in range(20):
            settings = draw_settings("smoke", dataset, "vgg16", method, draw)
            load(settings["code"]).Method(settings["hyperparameters"]["options"])


def test_a_draw_trains_as_its_cell_does_but_for_the_values_and_the_budget() -> None:
    plain = train_settings(*CELL)
    search(draws=4, epochs=7, seed=3)
    drawn = draw_settings(*CELL, 2)
    values = drawn.pop("search")["values"]
    assert set(values) == {"learning_rate", "options.drop_rate", "options.patch"}
    expected = {
        **plain["hyperparameters"],
        "epochs": 7,
        "learning_rate": values["learning_rate"],
        "options": {"drop_rate": values["options.drop_rate"], "patch": values["options.patch"]},
    }
    assert drawn == {**plain, "hyperparameters": expected}
    search(draws=4, seed=3)
    assert draw_settings(*CELL, 2)["hyperparameters"]["epochs"] == plain["hyperparameters"]["epochs"]
    assert draw_settings(*CELL, 2)["search"]["values"] == values, "the budget is no part of what is drawn"
    search(draws=4, seed=4)
    assert draw_settings(*CELL, 2)["search"]["values"] != values


def test_more_draws_change_no_draw_and_only_the_choice() -> None:
    search(draws=2)
    before = {name: canonical_json(settings_of(f"{STEM}{name}.json")) for name in ("", "/d00", "/d01", "/d150")}
    search(draws=30)
    changed = {name for name, text in before.items() if canonical_json(settings_of(f"{STEM}{name}.json")) != text}
    assert changed == {""}


def test_a_search_of_choices_alone_has_no_more_draws_than_combinations() -> None:
    search(draws=30)
    scale = CELL[0]
    assert search_settings(scale, *CELL[1:3], "fcam_cam")["draws"] == 7, "n⁻ from .1 to .7"
    assert search_settings(*CELL)["draws"] == 30
    search(draws=5)
    assert search_settings(scale, *CELL[1:3], "fcam_cam")["draws"] == 5


def test_the_parameter_file_s_own_values_can_compete_as_the_last_draw() -> None:
    search(draws=3, own_values=True)
    plain = train_settings(*CELL)["hyperparameters"]
    last = draw_settings(*CELL, 3)
    assert last["hyperparameters"] == plain
    assert last["search"]["values"] == {
        "learning_rate": plain["learning_rate"],
        "options.drop_rate": plain["options"]["drop_rate"],
        "options.patch": plain["options"]["patch"],
    }
    assert (search_settings(*CELL)["draws"], search_settings(*CELL)["own_draw"]) == (4, 3)
    drawn = [draw_settings(*CELL, draw) for draw in range(3)]
    assert search_settings(*CELL[:3], "fcam_cam")["own_draw"] is None, "every combination is tried as it is"
    adopt(adopted(learning_rate=0.0125))
    assert draw_settings(*CELL, 3) == last, "a search must not depend on its own result"
    search(draws=3)
    assert [draw_settings(*CELL, draw) for draw in range(3)] == drawn
    assert (search_settings(*CELL)["draws"], search_settings(*CELL)["own_draw"]) == (3, None)


@pytest.mark.parametrize("name", ["d1", "d001", "1", "d", "d-1", "d00x"])
def test_a_draw_has_one_name(name: str) -> None:
    with pytest.raises(ParameterError, match="not a resolved parameter file"):
        settings_of(f"{STEM}/{name}.json")
    assert f"{STEM}/{name}.json" not in ExpectedTexts()


def test_without_an_adopted_file_the_scale_s_search_touches_no_training() -> None:
    before = canonical_json(settings_of("results/smoke/params/train/synthbirds/resnet50/has.json"))
    search(draws=9, epochs=1, seed=8, stop_early={"after_epochs": 1, "below": 3})
    edit("methods/has.yaml", lambda value: value.pop("search"))
    assert canonical_json(settings_of("results/smoke/params/train/synthbirds/resnet50/has.json")) == before


def test_adopted_values_are_the_last_layer_of_their_cell_alone() -> None:
    before = train_settings(*CELL)["hyperparameters"]
    drawn = draw_settings(*CELL, 0)
    others = [
        train_settings(*CELL[:3], "cam"),
        train_settings("smoke", "synthnet", *CELL[2:]),
        train_settings("demo", *CELL[1:]),
    ]
    adopt(adopted(learning_rate=0.0125, options={"patch": 0.3}))
    after = train_settings(*CELL)["hyperparameters"]
    assert after == {**before, "learning_rate": 0.0125, "options": {**before["options"], "patch": 0.3}}
    assert others == [
        train_settings(*CELL[:3], "cam"),
        train_settings("smoke", "synthnet", *CELL[2:]),
        train_settings("demo", *CELL[1:]),
    ]
    assert draw_settings(*CELL, 0) == drawn, "a search must not depend on its own result"
    assert hyperparameters("has", *CELL[:3], searched=False) == before
    searched_path(*CELL).unlink()
    assert train_settings(*CELL)["hyperparameters"] == before


def test_an_heir_without_a_search_has_what_was_adopted_for_its_ancestor() -> None:
    cell = ("smoke", "synthbirds", "resnet50")

    def both(**values: Any) -> None:
        for method, rate in values.items():
            content = adopted(learning_rate=rate)
            adopt({**content, "cell": {**content["cell"], "method": method}}, (*cell, method))

    def rates() -> dict[str, float]:
        names = ("cam", "calm_em", "calm_ml", "has")
        return {name: train_settings(*cell, name)["hyperparameters"]["learning_rate"] for name in names}

    before = rates()
    both(cam=0.0125)
    assert rates() == {**before, "cam": 0.0125, "has": 0.0125}, "CALM has a layer of its own for the learning rate"
    both(calm_em=0.0075)
    assert rates() == {"cam": 0.0125, "has": 0.0125, "calm_em": 0.0075, "calm_ml": 0.0075}
    both(has=0.25)
    assert rates() == {"cam": 0.0125, "has": 0.25, "calm_em": 0.0075, "calm_ml": 0.0075}
    assert hyperparameters("calm_ml", *cell, searched=False)["learning_rate"] == before["calm_ml"]


def test_a_method_with_a_search_of_its_own_is_trained_as_its_draws_were() -> None:
    """Also where the ancestor's search found a value for what this one leaves alone."""
    edit("methods/has.yaml", lambda value: value["search"].update({"learning_rate": None}))
    drawn = draw_settings(*CELL, 0)["hyperparameters"]
    content = adopted(learning_rate=0.0125)
    adopt({**content, "cell": {**content["cell"], "method": "cam"}}, (*CELL[:3], "cam"))
    options = {name: drawn["options"][name] for name in ("patch", "drop_rate")}
    adopt(adopted(options=options))
    assert train_settings(*CELL)["hyperparameters"] == {
        **drawn,
        "epochs": train_settings(*CELL)["hyperparameters"]["epochs"],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {**adopted(learning_rate=1), "cell": {**adopted()["cell"], "backbone": "vgg16"}},
            r"its cell is smoke/.*/vgg16/has",
        ),
        ({**adopted(learning_rate=1), "sources": "x"}, "did you mean 'source'"),
        (adopted(), "at set"),
        (adopted(learning_rat=0.1), "unknown key 'learning_rat'"),
    ],
)
def test_adopted_files_that_are_refused(content: dict[str, Any], message: str) -> None:
    adopt(content)
    with pytest.raises(ParameterError, match=message):
        train_settings(*CELL)


def test_ranges_that_fit_nothing_are_refused() -> None:
    edit("methods/has.yaml", lambda value: value["search"].update({"options.pach": value["search"]["options.patch"]}))
    with pytest.raises(ParameterError, match=r"has\.yaml: search\.options\.pach: no such .*there is drop_rate, patch"):
        draw_settings(*CELL, 0)
    edit("methods/has.yaml", lambda value: value["search"].pop("options.pach"))
    edit("methods/has.yaml", lambda value: value["search"]["options.patch"].update(distribution="normal"))
    with pytest.raises(ParameterError, match=r"has\.yaml: at search\.options\.patch\.distribution"):
        draw_settings(*CELL, 0)
    with pytest.raises(ParameterError, match=r"center\.yaml: nothing to search"):
        draw_settings("smoke", "synthbirds", "resnet50", "center", 0)


def test_a_method_that_is_trained_on_the_split_that_a_search_chooses_on_has_none() -> None:
    assert load_method("fsl")["search"] == {}
    with pytest.raises(ParameterError, match=r"fsl\.yaml: nothing to search"):
        draw_settings("smoke", "synthbirds", "resnet50", "fsl", 0)
    assert set(load_method("inca")["search"]) > {"learning_rate", "options.drop_rate"}


def test_a_threshold_after_the_last_epoch_would_never_stop_anything() -> None:
    search(epochs=3, stop_early={"after_epochs": 3, "below": 20})
    with pytest.raises(ParameterError, match="after_epochs is 3, but a draw has 3 epochs"):
        draw_settings(*CELL, 0)
    search(epochs=3, stop_early={"after_epochs": 2, "below": 20})
    assert draw_settings(*CELL, 0)["search"]["stop_early"] == {"after_epochs": 2, "below": 20}
    search(epochs=3, stop_early=True)
    with pytest.raises(ParameterError, match="stop_early"):
        draw_settings(*CELL, 0)


def test_ilsvrc_is_searched_on_its_proxy_and_the_others_on_everything() -> None:
    assert proxy_source("ILSVRC") == "raw:wsol-metadata/ILSVRC/train/image_ids_proxy.txt"
    assert [proxy_source(name) for name in ("CUB", "OpenImages30k", "synthnet")] == [None] * 3
    proxy = "raw:wsol-metadata/ILSVRC/train/image_ids_proxy.txt"
    assert draw_settings("paper", "ILSVRC", "vgg16", "cam", 0)["search"]["proxy"] == proxy
    assert "proxy" not in canonical_json(settings_of("results/paper/params/train/ILSVRC/vgg16/cam.json"))
    edit("datasets/synthnet.yaml", lambda value: value.update(proxy="list.txt"))
    with pytest.raises(ParameterError, match=r"synthnet\.yaml: proxy is given but source\.metadata is not"):
        proxy_source("synthnet")


def test_the_searches_of_a_scale_are_one_a_cell_whatever_its_seeds() -> None:
    found = Targets("full").searches
    assert len(set(found)) == len(found)
    assert "results/full/search/synthnet/vgg16/cam/draws.csv" in found
    assert not [path for path in found if "/center/" in path]
    view = load_scale("full")
    methods = [name for name in view.methods if load_method(name)["trained"] and load_method(name).get("search")]
    # Some methods are measured on some data sets alone.
    cells = {(cell.dataset, cell.backbone, name) for name in methods for cell in view.cells(name)}
    assert {tuple(path.split("/")[3:6]) for path in found} == cells
    assert len(found) == len(cells) and len(view.seeds) > 1
