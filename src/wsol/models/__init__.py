"""Networks for weakly supervised localisation: a trunk (backbone) and a head, both found by file name.

Importing this package loads no torch; `build` does. See `wsol.models.interface.Classifier` for what a model offers.
"""

from wsol.models.groups import parameter_groups
from wsol.models.interface import Classifier
from wsol.models.registry import backbone_names, build, head_names
from wsol.models.weights import load_model, load_pretrained, save_model

__all__ = [
    "Classifier",
    "backbone_names",
    "build",
    "head_names",
    "load_model",
    "load_pretrained",
    "parameter_groups",
    "save_model",
]
