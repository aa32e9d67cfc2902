"""Settings of a search: what draw i of a cell trains with, and what the choice between the draws needs to know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from wsol.config.dataset import load_dataset
from wsol.config.initial import classifier_cell, source_cell
from wsol.config.method import load_method
from wsol.config.resolve import data_settings, hyperparameters, train_settings
from wsol.config.scale import load_scale
from wsol.config.yamlfile import check
from wsol.data.images import RAW_PREFIX
from wsol.errors import ParameterError
from wsol.search.draws import check_range, combinations, draw_values
from wsol.search.trial import CELL, Value

DRAW = re.compile(r"d(\d{2}|[1-9]\d{2,})")
OPTION = "options."


def search_folder(scale: str, dataset: str, backbone: str, method: str) -> str:
    return f"results/{scale}/search/{dataset}/{backbone}/{method}"


def ranges_of(method: str) -> dict[str, dict[str, Any]]:
    """What a search of the method draws. Raises ParameterError where it has nothing to draw, or a broken range."""
    settings = load_method(method)
    ranges: dict[str, dict[str, Any]] = settings.get("search", {})
    where = f"params/methods/{method}.yaml"
    if not settings["trained"] or not ranges:
        raise ParameterError(f"{where}: nothing to search; give ranges under `search` (docs/search.md)")
    for name, distribution in ranges.items():
        check_range(name, distribution, where)
    return ranges


def number_of_draws(scale: str, method: str) -> int:
    """The scale's, or fewer where the ranges hold no more combinations; one more if the method's own values compete."""
    search = load_scale(scale).settings["search"]
    draws: int = search["draws"]
    possible = combinations(ranges_of(method))
    return min(draws, possible or draws) + (own_draw(scale, method) is not None)


def own_draw(scale: str, method: str) -> int | None:
    """The number of the draw that tries the parameter file's own values: after all that are drawn; None if none does.

    Where every range is a choice, no draw is: the combinations are all tried.
    """
    search = load_scale(scale).settings["search"]
    return search["draws"] if search["own_values"] and combinations(ranges_of(method)) is None else None


def draw_settings(scale: str, dataset: str, backbone: str, method: str, draw: int) -> dict[str, Any]:
    """As `train_settings`, with the values of the draw and the search's budget in the place of the method's own.

    Nothing depends on how many draws there are, nor on values that an earlier search found.
    """
    search = load_scale(scale).settings["search"]
    values = values_of_draw(scale, dataset, backbone, method, draw)
    settings = train_settings(scale, dataset, backbone, method, searched=False)
    hyper = with_values(settings["hyperparameters"], values, f"params/methods/{method}.yaml")
    if search["epochs"] is not None:
        hyper["epochs"] = search["epochs"]
    check(hyper, "hyperparameters", f"draw {draw} of {scale}/{dataset}/{backbone}/{method}")
    early = search["stop_early"]
    if early and early["after_epochs"] >= hyper["epochs"]:
        raise ParameterError(
            f"params/scales/{scale}.yaml: search.stop_early.after_epochs is {early['after_epochs']}, but a draw has "
            f"{hyper['epochs']} epochs ({dataset}/{backbone}/{method}); lower it"
        )
    return {
        **settings,
        "hyperparameters": hyper,
        "search": {
            "draw": draw,
            "seed": search["seed"],
            "values": values,
            "stop_early": early,
            "classifier_seed": load_scale(scale).seeds[0],
            "proxy": proxy_source(dataset),
        },
    }


def values_of_draw(scale: str, dataset: str, backbone: str, method: str, draw: int) -> dict[str, Value]:
    """What the draw tries: random values, or, in the last of a scale with `own_values`, those of the parameter file."""
    ranges = ranges_of(method)
    if draw == own_draw(scale, method):
        return own_values(hyperparameters(method, scale, dataset, backbone, searched=False), ranges)
    seed = load_scale(scale).settings["search"]["seed"]
    return draw_values(ranges, seed, (scale, dataset, backbone, method), draw)


def search_settings(scale: str, dataset: str, backbone: str, method: str) -> dict[str, Any]:
    """What the choice depends on: the number of draws, and how to describe the search."""
    search = load_scale(scale).settings["search"]
    settings = train_settings(scale, dataset, backbone, method, searched=False)
    hyper = settings["hyperparameters"]
    return {
        "cell": dict(zip(CELL, (scale, dataset, backbone, method), strict=True)),
        "metric": settings["selection"]["headline_metric"],
        "checkpoint": hyper["checkpoint"],
        "draws": number_of_draws(scale, method),
        "own_draw": own_draw(scale, method),
        "seed": search["seed"],
        "epochs": search["epochs"] or hyper["epochs"],
        "least_accuracy": search["least_accuracy"],
        "proxy": proxy_source(dataset),
    }


def training_of(scale: str, dataset: str, backbone: str, method: str, *, searched: bool = False) -> dict[str, Any]:
    """All that decides about a training but its seed and the name of its scale: who gives the same trains the same.

    Settings, data, and the networks that it starts from or keeps, these with what was adopted for them.
    """
    settings = train_settings(scale, dataset, backbone, method, searched=searched)
    first = load_scale(scale).seeds[0]
    cells = (source_cell(settings["architecture"]["pretrained"], scale, backbone), classifier_cell(settings, first))
    return {
        **{name: value for name, value in settings.items() if name != "scale"},
        "data": data_settings(scale, dataset),
        "networks": [
            {**training_of(scale, cell.dataset, cell.backbone, cell.method, searched=True), "seed": cell.seed}
            for cell in cells
            if cell
        ],
    }


def with_values(hyper: dict[str, Any], values: dict[str, Value], where: str) -> dict[str, Any]:
    """The hyperparameters with drawn values in place; `options.<name>` is the method's own option of that name.

    Raises ParameterError for a name that the hyperparameters do not have: a misspelt range would have no effect.
    """
    result = {**hyper, "options": dict(hyper["options"])}
    for name, value in values.items():
        place, key = (result["options"], name.removeprefix(OPTION)) if name.startswith(OPTION) else (result, name)
        if key not in place or key == "options":
            raise ParameterError(f"{where}: search.{name}: no such hyperparameter; there is {', '.join(sorted(place))}")
        place[key] = value
    return result


def own_values(hyper: dict[str, Any], names: Iterable[str]) -> dict[str, Value]:
    """What the hyperparameters have for names such as `learning_rate` and `options.patch`."""
    return {
        name: hyper["options"][name.removeprefix(OPTION)] if name.startswith(OPTION) else hyper[name] for name in names
    }


def proxy_source(dataset: str) -> str | None:
    """The raw name of the data set's proxy list, which lies in its folder of metadata; None where it has none."""
    settings = load_dataset(dataset)
    if settings["proxy"] is None:
        return None
    if settings["source"]["metadata"] is None:
        raise ParameterError(
            f"params/datasets/{dataset}.yaml: proxy is given but source.metadata is not; it lies there"
        )
    return f"{RAW_PREFIX}{settings['source']['metadata']}/{settings['proxy']}"


def settings_named(scale: str, names: list[str]) -> dict[str, Any] | None:
    """The settings of results/<scale>/params/search/<names>.json: of a search, or of one draw; None for other names."""
    match names:
        case [dataset, backbone, method]:
            return search_settings(scale, dataset, backbone, method)
        case [dataset, backbone, method, draw] if DRAW.fullmatch(draw):
            return draw_settings(scale, dataset, backbone, method, int(draw[1:]))
    return None
