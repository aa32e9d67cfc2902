"""Collect the draws of a search into a table, and choose the best of them by localisation on train-fullsup."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wsol.cli.entry import enter
from wsol.config.roots import choose_roots
from wsol.errors import DataError
from wsol.files import read_json, write_json, write_text
from wsol.provenance.job import Job
from wsol.search.choose import best, table
from wsol.search.trial import FAILED, STOPPED, Trial


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol search choose", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the search (JSON)")
    result.add_argument("--trials", type=Path, nargs="+", required=True, help="trial.json of every draw")
    result.add_argument("--table", type=Path, required=True, help="draws.csv to write")
    result.add_argument("--chosen", type=Path, required=True, help="chosen.json to write")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    with Job(
        layer="search",
        cell=settings["cell"],
        sidecar=arguments.sidecar,
        inputs={"settings": arguments.settings, "trials": arguments.trials},
        code_roots=choose_roots(),
        parameters=settings,
    ) as job:
        trials = [Trial(**read_json(path)) for path in arguments.trials]
        if sorted(trial.draw for trial in trials) != list(range(settings["draws"])):
            raise DataError(
                f"{arguments.table}: {len(trials)} draws were given, {', '.join(str(trial.draw) for trial in trials)}; "
                f"the search has draws 0 to {settings['draws'] - 1}, each once"
            )
        winner = best(trials, settings["least_accuracy"])
        write_text(job.output_path(arguments.table), table(trials))
        write_json(job.output_path(arguments.chosen), chosen(trials, winner, settings))
        summary: dict[str, Any] = {"draws": len(trials)} | {
            s: sum(t.status == s for t in trials) for s in (FAILED, STOPPED)
        }
        if winner is not None and winner.localisation is not None:
            summary |= {"draw": winner.draw, "val_localisation": winner.localisation}
        job.run.summary(summary)
        job.run.artifact(arguments.table)
        said = "no draw came to an end with a number" if winner is None else f"draw {winner.draw}: {winner.values}"
        print(f"wrote {arguments.table}: {len(trials)} draws; {said}")
    return 0


def chosen(trials: list[Trial], winner: Trial | None, settings: dict[str, Any]) -> dict[str, Any]:
    """The winning values and how they were found, in a sentence that becomes their source; null where none won."""
    if winner is None:
        return {"cell": settings["cell"], "source": None, "values": None}
    counts = {status: sum(trial.status == status for trial in trials) for status in (FAILED, STOPPED)}
    lost = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    where = f"the proxy subset {settings['proxy']}" if settings["proxy"] else "train-weaksup"
    own = settings["own_draw"]
    random = len(trials) if own is None else len(trials) - 1
    which = "its own values, tried beside draws" if winner.draw == own else f"draw {winner.draw} of"
    source = (
        f"random search: {which} 0 to {random - 1}{f' ({lost})' if lost else ''}, "
        f"{settings['epochs']} epochs each on {where}, seed {settings['seed']}; "
        f"{settings['metric']} {winner.localisation:.2f} on train-fullsup, {settings['checkpoint']} checkpoint"
        f"{_left_out(trials, winner, settings['least_accuracy'])}"
    )
    return {"cell": settings["cell"], "source": source, "values": winner.values}


def _left_out(trials: list[Trial], winner: Trial, least_accuracy: float | None) -> str:
    """What the condition on accuracy changed, so that nobody takes the choice for the protocol's where it is not."""
    if least_accuracy is None:
        return ""
    said = f"; of the draws with at least {least_accuracy:g} of the highest accuracy among them"
    other = best(trials)
    if other is None or other.draw == winner.draw:
        return f"{said}, and of all"
    return (
        f"{said} (its own {winner.accuracy:.2f}); of all it would have been draw {other.draw}, "
        f"{other.localisation:.2f} with accuracy {other.accuracy:.2f}"
    )


if __name__ == "__main__":
    enter(main)
