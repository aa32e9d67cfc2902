"""Train one draw of a search, and keep its curve and its outcome; no weights."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wsol.cli.entry import enter
from wsol.cli.train import Session, add_training, open_session, run_training, write_history
from wsol.config.roots import draw_roots
from wsol.errors import DivergedError, WsolError
from wsol.files import read_json, write_json
from wsol.provenance.job import Job
from wsol.search.trial import CELL, FAILED, FINISHED, STOPPED, Trial, draw_name
from wsol.training.kept import kept_epoch


class StoppedEarly(WsolError):
    """A draw fell short of what the user asks of it at a given epoch."""


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol search draw", description=__doc__)
    add_training(result)
    result.add_argument("--history", type=Path, required=True, help="the epochs (CSV) to write")
    result.add_argument("--trial", type=Path, required=True, help="the outcome (JSON) to write")
    return result


def main(argv: list[str]) -> int:
    """A loss that is no longer finite is an outcome; every other error is an error."""
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)
    search, hyper = settings["search"], settings["hyperparameters"]
    session = on_proxy(open_session(arguments, settings, search["classifier_seed"]), search["proxy"])
    cell = {key: settings[key] for key in CELL} | {"draw": search["draw"]}
    name = "/".join(["search", *(settings[key] for key in CELL), draw_name(search["draw"])])
    roots = draw_roots(settings["dataset"], settings["backbone"], settings["method"], settings["attribution"])
    with Job(
        layer="search",
        cell=cell,
        sidecar=arguments.sidecar,
        inputs=session.inputs,
        code_roots=roots,
        parameters=settings,
        device=session.device,
        threads=settings["threads"],
    ) as job:
        history: list[dict[str, float]] = []

        def report(row: dict[str, float]) -> None:
            history.append(row)
            stop_if_hopeless(row, search["stop_early"])

        status, reason = FINISHED, ""
        try:
            run_training(session, job, name, seed=search["seed"], state=arguments.state, report=report)
        except DivergedError as error:
            status, reason = FAILED, str(error)
        except StoppedEarly as error:
            status, reason = STOPPED, str(error)
        trial = outcome(search["draw"], search["values"], history, hyper["checkpoint"], status, reason)
        write_history(job.output_path(arguments.history), history)
        write_json(job.output_path(arguments.trial), trial.as_dict())
        if trial.localisation is not None:
            job.run.summary({"epoch": trial.epoch, "val_localisation": trial.localisation})
        job.run.tag("outcome", f"{status}: {reason}" if reason else status)
        job.run.artifact(arguments.history)
        print(f"draw {trial.draw} {status}: {reason or f'localisation {trial.localisation:.4g} %'}")
    arguments.state.unlink(missing_ok=True)
    return 0


def on_proxy(session: Session, proxy: str | None) -> Session:
    """The same session on the images of the proxy list alone, which becomes an input; without a list the same."""
    if proxy is None:
        return session
    from wsol.data.images import resolve_source
    from wsol.data.proxy import proxy_subset, read_proxy

    path = resolve_source(proxy)
    subset = proxy_subset(session.weak, read_proxy(path), str(path))
    return replace(session, weak=subset, inputs={**session.inputs, "proxy": path})


def stop_if_hopeless(row: dict[str, float], rule: Any) -> None:
    """Raises StoppedEarly if the user gave a rule {after_epochs, below} and this is that epoch, and below."""
    if rule and row["epoch"] == rule["after_epochs"] and not row["val_localisation"] >= rule["below"]:
        raise StoppedEarly(
            f"localisation {row['val_localisation']:.4g} % after epoch {rule['after_epochs']}, below "
            f"{rule['below']:.4g} % (search.stop_early)"
        )


def outcome(
    draw: int, values: dict[str, Any], history: Sequence[dict[str, float]], checkpoint: str, status: str, reason: str
) -> Trial:
    """The trial, scored at the epoch that a training would keep; without a score unless it ran to its end."""
    if status != FINISHED:
        return Trial(draw, status, values, None, None, None, reason)
    epoch = kept_epoch(history, checkpoint)
    row = next(row for row in history if row["epoch"] == epoch)
    if not math.isfinite(row["val_localisation"]):
        return Trial(draw, FAILED, values, None, None, None, f"localisation is {row['val_localisation']}")
    return Trial(draw, status, values, epoch, row["val_localisation"], row["val_accuracy"])


if __name__ == "__main__":
    enter(main)
