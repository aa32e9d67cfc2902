"""A scale: which data sets, backbones, methods and seeds, at what size."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from wsol.config.dataset import load_dataset
from wsol.config.method import load_method
from wsol.config.names import available_methods
from wsol.config.paths import NO_BACKBONE, Cell
from wsol.config.yamlfile import PARAMS, load_yaml
from wsol.errors import ParameterError


@dataclass(frozen=True)
class Scale:
    """One of params/scales/*.yaml, with the methods that have both a parameter file and code."""

    name: str
    settings: dict[str, Any]

    @property
    def image_size(self) -> int:
        return int(self.settings["image_size"])

    @property
    def datasets(self) -> list[str]:
        return list(self.settings["datasets"])

    @property
    def benchmarks(self) -> list[str]:
        """The data sets that the scale's methods are measured on; others are for methods that they name themselves."""
        return [name for name, options in self.settings["datasets"].items() if options["methods"] is None]

    @property
    def backbones(self) -> list[str]:
        return list(self.settings["backbones"])

    @property
    def seeds(self) -> list[int]:
        return list(self.settings["seeds"])

    @property
    def stand_ins(self) -> dict[str, str]:
        """The paper's data set name to the project's data set that is measured in its place at this scale."""
        return dict(self.settings["stand_ins"])

    def stand_in(self, paper_name: str) -> dict[str, Any]:
        """What a figure's legend says of the data set that is measured in place of a paper's: its name and title, whose
        place it takes (None where it is the paper's own, and at a scale of the paper), and whether it is rendered."""
        dataset = self.stand_ins[paper_name]
        settings = load_dataset(dataset)
        return {
            "dataset": dataset,
            "dataset_title": settings["title"],
            "stands_in_for": None if dataset == paper_name or self.settings["is_paper"] else paper_name,
            "synthetic": settings["reader"] == "synthetic",
        }

    @property
    def methods(self) -> list[str]:
        chosen = self.settings["methods"]
        available = available_methods()
        if chosen == "all":
            return [name for name in available if self.name in load_method(name).get("scales", [self.name])]
        unknown = sorted(set(chosen) - set(available))
        if unknown:
            raise ParameterError(
                f"params/scales/{self.name}.yaml: method {unknown[0]!r} has no params/methods/{unknown[0]}.yaml; "
                f"there is {', '.join(available)}"
            )
        return [name for name in available if name in chosen]

    def method_here(self, method: str) -> str:
        """The method whose cells a row, line or claim means at this scale: its own, or what it names `elsewhere`."""
        if method in self.methods or method not in available_methods():
            return method
        return str(load_method(method)["elsewhere"] or method)

    def as_view_settings(self) -> dict[str, Any]:
        """What a table needs to know of the scale, and no more: a change elsewhere must not touch a table."""
        return {
            "name": self.name,
            "purpose": self.settings["purpose"],
            "stand_ins": self.stand_ins,
            "backbones": self.backbones,
            "seeds": self.seeds,
            "is_paper": self.settings["is_paper"],
            "methods": {name: load_method(name)["trained"] for name in self.methods},
            "attributions": {name: list(load_method(name)["attributions"]) for name in self.methods},
            "elsewhere": {name: here for name in available_methods() if (here := self.method_here(name)) != name},
        }

    def cells(self, method: str) -> list[Cell]:
        """Every model of a method at this scale; a method without a backbone has one for each data set."""
        settings = load_method(method)
        limited = settings.get("datasets")
        datasets = self.benchmarks if limited is None else [self.stand_ins.get(name) for name in limited]
        backbones = self.backbones if settings["trained"] else [NO_BACKBONE]
        seeds = self.seeds if settings["trained"] else [0]
        return [
            Cell(self.name, dataset, backbone, method, seed)
            for dataset in self.benchmarks
            if dataset in datasets
            for backbone in backbones
            for seed in seeds
        ]


@functools.cache
def load_scale(name: str) -> Scale:
    settings = load_yaml(PARAMS / "scales" / f"{name}.yaml", "scale")
    if settings["name"] != name:
        raise ParameterError(f"params/scales/{name}.yaml: name is {settings['name']!r}; it must be the file's name")
    if settings["resize"] < settings["image_size"]:
        raise ParameterError(
            f"params/scales/{name}.yaml: resize {settings['resize']} is below image_size {settings['image_size']}; "
            "the training crop is taken from the resized image"
        )
    missing = sorted(set(settings["stand_ins"].values()) - set(settings["datasets"]))
    if missing:
        raise ParameterError(f"params/scales/{name}.yaml: stand_ins names {missing[0]!r}, which is not in datasets")
    for dataset, options in settings["datasets"].items():
        unknown = sorted(set(options["backbones"]) - set(settings["backbones"]))
        if unknown:
            raise ParameterError(
                f"params/scales/{name}.yaml: data set {dataset!r} changes backbone {unknown[0]!r}, which is not in "
                f"backbones ({', '.join(settings['backbones'])})"
            )
    return Scale(name, settings)


def load_config() -> dict[str, Any]:
    return load_yaml(PARAMS / "config.yaml", "config")
