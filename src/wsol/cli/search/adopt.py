"""Copy the values that a search chose to params/searched/, where the final training of that cell reads them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.entry import enter
from wsol.cli.search.choose import chosen
from wsol.cli.search.record import record
from wsol.config.search import (
    OPTION,
    hyperparameters,
    own_values,
    ranges_of,
    search_folder,
    search_settings,
    training_of,
    values_of_draw,
    with_values,
)
from wsol.config.searched import draws_path, searched_path
from wsol.config.yamlfile import check
from wsol.errors import DataError, ParameterError
from wsol.files import read_json, write_text
from wsol.search.choose import as_drawn, best, eligible, read_table
from wsol.search.trial import CELL


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol search adopt", description=__doc__)
    for name in CELL:
        result.add_argument(name)
    result.add_argument(
        "--for", dest="target", metavar="SCALE", help="use the values at this scale, where the training is the same"
    )
    result.add_argument(
        "--recorded",
        action="store_true",
        help="choose, by the rule of the scale, among the draws that params/searched has, not among those in results/",
    )
    return result


def main(argv: list[str]) -> int:
    """Raises DataError where there is no finished search, or none of its draws came to an end."""
    arguments = parser().parse_args(argv)
    cell = (arguments.scale, arguments.dataset, arguments.backbone, arguments.method)
    ranges_of(arguments.method)
    found, origin = (read_recorded if arguments.recorded else read_chosen)(*cell), cell
    if arguments.target not in (None, arguments.scale):
        cell = (arguments.target, *cell[1:])
        found = carried_over(found, cell)
    before = hyperparameters(arguments.method, *cell[:3])
    after = with_values(before, found["values"], f"params/methods/{arguments.method}.yaml")
    check(after, "hyperparameters", f"what the search of {'/'.join(origin)} chose")
    path = searched_path(*cell)
    draws = draws_path(*origin) if arguments.recorded else record(*origin)
    write_text(path, parameter_file(found))
    print(f"wrote {path}: {found['source']}")
    print(f"{'read' if arguments.recorded else 'wrote'} {draws}: all that was tried")
    for name in found["values"]:
        old, new = (own_values(hyper, [name])[name] for hyper in (before, after))
        print(f"  {name}: {old} → {new}" if old != new else f"  {name}: {new}, as before")
    print("commit both; trainings of this cell now use the values. Delete the first to go back.")
    return 0


def read_chosen(scale: str, dataset: str, backbone: str, method: str) -> dict[str, Any]:
    folder = search_folder(scale, dataset, backbone, method)
    path = Path(folder, "chosen.json")
    if not path.is_file():
        raise DataError(f"{path}: no such file; search first: snakemake --cores all {folder}/draws.csv")
    found: dict[str, Any] = read_json(path)
    return _with_a_winner(found, f"{folder}/draws.csv")


def read_recorded(scale: str, dataset: str, backbone: str, method: str) -> dict[str, Any]:
    """As chosen.json, from the recorded table of draws: what the scale's rule makes of it today.

    Raises DataError unless every draw is the one that a search would make today and was trained for as many epochs.
    """
    cell = (scale, dataset, backbone, method)
    path = draws_path(*cell)
    if not path.is_file():
        raise DataError(f"{path}: no such file; this cell was not searched, or not recorded (wsol search record)")
    settings = search_settings(*cell)
    values = [values_of_draw(*cell, draw) for draw in range(settings["draws"])]
    again = f"search again: snakemake --cores all {search_folder(*cell)}/draws.csv"
    try:
        trials = as_drawn(read_table(path.read_text(encoding="utf-8")), values)
    except ValueError as error:
        raise DataError(f"{path}: {error}; {again}") from None
    trained = max((trial.epoch or 0 for trial in trials if eligible(trial)), default=settings["epochs"])
    if settings["checkpoint"] == "last" and trained != settings["epochs"]:
        raise DataError(f"{path}: its draws have {trained} epochs, and would have {settings['epochs']} today; {again}")
    winner = best(trials, settings["least_accuracy"])
    return _with_a_winner(chosen(trials, winner, settings), str(path))


def _with_a_winner(found: dict[str, Any], draws: str) -> dict[str, Any]:
    if found["values"] is None:
        scale, *_, method = cell = [found["cell"][key] for key in CELL]
        raise DataError(
            f"{'/'.join(cell)}: no draw came to an end; the reasons stand in {draws}. Narrow the ranges in "
            f"params/methods/{method}.yaml, or raise search.draws in params/scales/{scale}.yaml"
        )
    return found


def carried_over(found: dict[str, Any], cell: tuple[str, str, str, str]) -> dict[str, Any]:
    """What was found, as the cell's of another scale. Raises ParameterError unless both train the same network."""
    names = [found["cell"][key] for key in CELL]
    here, there = training_of(*names), training_of(*cell)
    different = next((key for key in here if here[key] != there[key]), None)
    if different is not None:
        raise ParameterError(
            f"{'/'.join(cell)} is not trained as {'/'.join(names)}, where the search was: {different} is "
            f"{there[different]} and not {here[different]}; search at scale {cell[0]} itself"
        )
    source = f"{found['source']}; searched at scale {names[0]}, where this cell is trained in the same way"
    return {**found, "cell": dict(zip(CELL, cell, strict=True)), "source": source}


def parameter_file(found: dict[str, Any]) -> str:
    """The YAML text of params/searched/<scale>/<dataset>.<backbone>.<method>.yaml for the content of chosen.json."""
    import yaml

    values: dict[str, Any] = {}
    for name, value in found["values"].items():
        if name.startswith(OPTION):
            values.setdefault("options", {})[name.removeprefix(OPTION)] = value
        else:
            values[name] = value
    cell = {key: found["cell"][key] for key in CELL}
    content = {"source": found["source"], "cell": cell, "set": values}
    check(content, "searched", "what the search chose")
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))


if __name__ == "__main__":
    enter(main)
