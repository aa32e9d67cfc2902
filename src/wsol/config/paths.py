"""The one path grammar: where every artefact of a cell lies.

Layer first, then the cell, so that a DVC stage owns exactly one folder:
results/<scale>/<layer>/<dataset>/<backbone>/<method>/s<seed>/<file>.
"""

from __future__ import annotations

from dataclasses import dataclass

SPLITS = ("train-weaksup", "train-fullsup", "test")
EVALUATED_SPLITS = ("train-fullsup", "test")
NO_BACKBONE = "none"


@dataclass(frozen=True)
class Cell:
    """One trained (or training-free) model; attribution, split and metric are named by the files below it."""

    scale: str
    dataset: str
    backbone: str
    method: str
    seed: int

    @property
    def folder(self) -> str:
        return f"{self.dataset}/{self.backbone}/{self.method}/s{self.seed}"

    def as_dict(self) -> dict[str, object]:
        return {
            "scale": self.scale,
            "dataset": self.dataset,
            "backbone": self.backbone,
            "method": self.method,
            "seed": self.seed,
        }


def data_folder(scale: str, dataset: str) -> str:
    return f"data/{scale}/{dataset}"


def manifest_path(scale: str, dataset: str, split: str) -> str:
    return f"{data_folder(scale, dataset)}/{split}.parquet"


def supersets_path(scale: str, dataset: str) -> str:
    return f"results/{scale}/supersets/{dataset}/supersets.json"


def checkpoint_path(cell: Cell, which: str = "model") -> str:
    return f"results/{cell.scale}/checkpoints/{cell.folder}/{which}.safetensors"


def history_path(cell: Cell) -> str:
    return f"results/{cell.scale}/checkpoints/{cell.folder}/train.csv"


def maps_path(cell: Cell, attribution: str, split: str) -> str:
    return f"results/{cell.scale}/maps/{cell.folder}/{attribution}.{split}.safetensors"


def score_path(cell: Cell, attribution: str, split: str) -> str:
    return f"results/{cell.scale}/scores/{cell.folder}/{attribution}.{split}.json"


def removal_path(cell: Cell, attribution: str) -> str:
    return f"results/{cell.scale}/removal/{cell.folder}/{attribution}.json"


def cues_path(cell: Cell, attribution: str) -> str:
    return f"results/{cell.scale}/cues/{cell.folder}/{attribution}.json"


def timing_path(scale: str, backbone: str) -> str:
    return f"results/{scale}/timing/{backbone}.json"


def parameters_path(scale: str, layer: str, name: str) -> str:
    return f"results/{scale}/params/{layer}/{name}.json"
