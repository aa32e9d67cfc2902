"""Errors that a user can act on: the message names the file, the value and the remedy."""


class WsolError(Exception):
    """Bad input or a missing prerequisite; the command line prints it without a traceback and exits with 2."""


class DataError(WsolError):
    """A data file, image, box or label is missing, broken or inconsistent."""


class ParameterError(WsolError):
    """A parameter file has an unknown key, a missing key or a value out of range."""


class TrainingError(WsolError):
    """Training cannot go on: the loss is not finite, a class is empty, or the saved state does not fit."""


class DivergedError(TrainingError):
    """The loss of a training is no longer finite: its hyperparameters do not suit it, and nothing else is wrong."""
