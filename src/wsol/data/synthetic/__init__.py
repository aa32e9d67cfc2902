"""Synthetic benchmark: four data sets from one renderer, with exact ground truth."""

from wsol.data.synthetic.archive import write_archive
from wsol.data.synthetic.birds import differing_parts
from wsol.data.synthetic.painter import Sample
from wsol.data.synthetic.samples import SPLITS, class_table, render

__all__ = ["SPLITS", "Sample", "class_table", "differing_parts", "render", "write_archive"]
