"""torch's SGD without the start-up of torch's compiler.

torch keeps `torch.compile` out of an optimiser's methods with wrappers whose first call imports the compiler: two
seconds of CPU, an eighth of a training at scale `demo`. Nothing is compiled here: the methods run without the wrappers.
"""

from __future__ import annotations

from inspect import unwrap

import torch


class SGD(torch.optim.SGD):
    """`torch.optim.SGD` for eager use: the same arguments, and the same updates bit for bit."""

    add_param_group = unwrap(torch.optim.SGD.add_param_group)
    zero_grad = unwrap(torch.optim.SGD.zero_grad)
    state_dict = unwrap(torch.optim.SGD.state_dict)
    load_state_dict = unwrap(torch.optim.SGD.load_state_dict)
    step = torch.no_grad()(unwrap(torch.optim.SGD.step))
