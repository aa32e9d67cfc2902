"""The learning-rate groups of the released evaluation code where they differ from ours."""

from __future__ import annotations

from typing import Any

from wsol.errors import ParameterError


def use_reference_rates(model: Any, fast_prefixes: tuple[str, ...]) -> None:
    """From now on only parameters of `model` whose names begin with one of the prefixes train at the head's rate.

    The released code (Choe et al., CVPR 2020) sorts parameters by substrings of their names. Some new layers fall into
    the slow group by that, and some pretrained ones into the fast group. Only `wsol.models.parameter_groups` looks at
    it; a saved model holds nothing of it. Raises ParameterError for a prefix that no parameter has.
    """
    names = [name for name, _ in model.named_parameters()]
    for prefix in fast_prefixes:
        if not any(name.startswith(prefix) for name in names):
            raise ParameterError(f"no parameter of this network begins with {prefix!r}; it has {names[0]!r} and others")
    fast = frozenset(name for name in names if name.startswith(fast_prefixes))
    model.head_parameter_names = lambda: fast
