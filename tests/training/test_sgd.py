import subprocess
import sys

import pytest
import torch

from wsol.training.sgd import SGD

CHOICES = [{"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}, {"momentum": 0}]


def trained(
    optimiser_class: type, choices: dict, steps: int, resume_after: int | None = None
) -> tuple[torch.Tensor, dict]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3))
    images = torch.randn(steps, 4, 5)

    def made() -> torch.optim.Optimizer:
        groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.3}]
        return optimiser_class(groups, lr=0.1, **choices)

    optimiser = made()
    for step, batch in enumerate(images):
        if step == resume_after:
            saved = optimiser.state_dict()
            optimiser = made()
            optimiser.load_state_dict(saved)
        optimiser.zero_grad(set_to_none=True)
        model(batch).square().sum().backward()
        optimiser.step()
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]), optimiser.state_dict()


@pytest.mark.parametrize("choices", CHOICES)
@pytest.mark.parametrize("resume_after", [None, 2])
def test_updates_and_state_are_torchs_bit_for_bit(choices: dict, resume_after: int | None) -> None:
    ours, our_state = trained(SGD, choices, 5, resume_after)
    theirs, their_state = trained(torch.optim.SGD, choices, 5, resume_after)
    assert torch.equal(ours, theirs)
    assert our_state["param_groups"] == their_state["param_groups"]
    for key, buffers in their_state["state"].items():
        for name, buffer in buffers.items():
            mine = our_state["state"][key][name]
            assert mine is buffer or torch.equal(mine, buffer)


def test_the_compiler_is_not_imported() -> None:
    code = """
import sys, torch
from wsol.training.sgd import SGD
weight = torch.nn.Parameter(torch.ones(2))
optimiser = SGD([weight], lr=.1, momentum=.9)
optimiser.zero_grad()
weight.sum().backward()
optimiser.step()
optimiser.load_state_dict(optimiser.state_dict())
print("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
