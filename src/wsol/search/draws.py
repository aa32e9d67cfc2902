"""What a draw tries: values from named random streams, so that draw i is the same however many draws there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal
from itertools import product
from typing import Any

from wsol.errors import ParameterError
from wsol.search.trial import Value
from wsol.training.seeds import stream_seed

DIGITS = 6
_FINENESS = 52


def draw_values(
    ranges: Mapping[str, Mapping[str, Any]], seed: int, cell: tuple[str, ...], draw: int
) -> dict[str, Value]:
    """Name of each hyperparameter → its value in draw number `draw` (from 0) of the search of `cell`.

    `ranges` are the entries of `search` in a method's parameter file, `cell` is (scale, dataset, backbone, method).
    Each name has a stream of its own: another range, or another draw, leaves all other values as they were. Numbers are
    cut off after six significant digits, downwards, so that a parameter file states exactly what was tried.

    Where all ranges are choices, the draws go through their combinations in random order, so none is tried twice before
    all are (`combinations` of them).

    Raises ParameterError for a range that is empty, or `above` what is not drawn or in the end itself.
    """
    count = combinations(ranges)
    if count is not None:
        order = sorted(range(count), key=lambda one: stream_seed(seed, "search", *cell, "combination", one))
        tried = list(product(*(distribution["values"] for distribution in ranges.values())))[order[draw % count]]
        return dict(zip(ranges, tried, strict=True))
    done: dict[str, Value] = {}
    for name in ranges:
        _resolve(name, ranges, done, (), lambda name: uniform_of(stream_seed(seed, "search", *cell, draw, name)))
    return {name: done[name] for name in ranges}


def combinations(ranges: Mapping[str, Mapping[str, Any]]) -> int | None:
    """How many there are to try if every range is a choice; None where there is no end of them."""
    if any(distribution["distribution"] != "choice" for distribution in ranges.values()):
        return None
    return math.prod(len(distribution["values"]) for distribution in ranges.values())


def uniform_of(seed: int) -> float:
    """A number in the open interval (0, 1): the middle of one of 2^52 equal parts, chosen by the seed's low bits."""
    return (seed % 2**_FINENESS + 0.5) / 2**_FINENESS


def value_at(share: float, distribution: Mapping[str, Any]) -> Value:
    """The value below which a share in (0, 1) of the distribution lies; for `choice`, the one at that place.

    uniform: low + share · (high − low). log_uniform: the same between the logarithms. inverse_uniform: 1/u − shift with
    u uniform between low and high, which falls as u rises. `choice`: one of `values`, all alike.
    """
    match distribution["distribution"]:
        case "choice":
            values = distribution["values"]
            return values[int(share * len(values))]
        case "log_uniform":
            low, high = distribution["low"], distribution["high"]
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
            return max(low, rounded_down(min(value, high)))
        case "inverse_uniform":
            least = distribution["low"] + share * (distribution["high"] - distribution["low"])
            return rounded_down(1 / least - distribution.get("shift", 0.0))
        case _:
            low, high = distribution["low"], distribution["high"]
            return max(low, rounded_down(min(low + share * (high - low), high)))


def rounded_down(value: float) -> float:
    """`value` cut off after six significant digits, towards minus infinity."""
    return float(Decimal(value).normalize(Context(prec=DIGITS, rounding=ROUND_FLOOR)))


def check_range(name: str, distribution: Mapping[str, Any], where: str) -> None:
    """Raises ParameterError, beginning with `where`, unless the range holds what its distribution needs."""
    kind = distribution["distribution"]
    given = set(distribution) - {"distribution", "source"}
    wanted = {"values"} if kind == "choice" else {"high", "above" if "above" in given else "low"}
    allowed = wanted | ({"shift"} if kind == "inverse_uniform" else set())
    if kind != "uniform" and "above" in given:
        raise ParameterError(f"{where}: search.{name}: `above` goes with distribution uniform, not {kind}")
    missing, excess = sorted(wanted - given), sorted(given - allowed)
    if missing or excess:
        wrong = f"lacks {missing[0]!r}" if missing else f"has {excess[0]!r}, which means nothing there"
        raise ParameterError(f"{where}: search.{name}: distribution {kind} {wrong} (needs {', '.join(sorted(wanted))})")
    if kind == "choice" or "above" in given:
        return
    low, high = distribution["low"], distribution["high"]
    if low >= high:
        raise ParameterError(f"{where}: search.{name}: low is {low} and high is {high}; low must be below high")
    if kind == "log_uniform" and low <= 0:
        raise ParameterError(f"{where}: search.{name}: low is {low}; a logarithm needs one above 0")
    if kind == "inverse_uniform" and low < 0:
        raise ParameterError(f"{where}: search.{name}: low is {low}; 1/u needs u above 0")


def _resolve(
    name: str, ranges: Mapping[str, Mapping[str, Any]], done: dict[str, Value], waiting: tuple[str, ...], share: Any
) -> Value:
    if name in done:
        return done[name]
    if name in waiting:
        raise ParameterError(f"search: {' above '.join((*waiting, name))}: a range cannot lie above itself")
    distribution = ranges[name]
    other = distribution.get("above")
    if other is not None:
        if other not in ranges:
            raise ParameterError(f"search.{name}: above {other!r}, which is not drawn; there is {', '.join(ranges)}")
        low = _resolve(other, ranges, done, (*waiting, name), share)
        distribution = {**distribution, "low": low}
        if not isinstance(low, int | float) or low > distribution["high"]:
            raise ParameterError(f"search.{name}: {other} was drawn as {low!r}, above high {distribution['high']}")
    done[name] = value_at(share(name), distribution)
    return done[name]
