"""What every format converts: small graphs that compute what the model computes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mobilevis.export.trace import EntryModule, fold, fold_batch_norms, trace_entries
from mobilevis.models import create_model
from mobilevis.models.backbones.yolox import JoinedLevels
from mobilevis.models.entries import Entry


def with_trained_norms(model: nn.Module) -> nn.Module:
    """Give batch norms statistics and scales as training does: those of a new model do nothing."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval()


def test_folding_a_batch_norm_changes_nothing_but_rounding():
    block = with_trained_norms(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()))
    x = torch.rand(1, 3, 16, 16)
    expected = block(x)
    folded = fold_batch_norms(block)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert torch.allclose(folded(x), expected, atol=1e-5)


def test_a_block_with_its_own_forward_is_left_alone():
    class Backwards(nn.Sequential):
        def forward(self, x):
            for module in reversed(self):
                x = module(x)
            return x

    block = with_trained_norms(Backwards(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
    x = torch.rand(1, 3, 4, 4)
    expected = block(x)
    assert torch.equal(fold_batch_norms(block)(x), expected)


def test_every_batch_norm_of_a_mobileinst_is_folded():
    model = with_trained_norms(create_model("mobileinst-topformer-tiny"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fold_batch_norms(model).modules())


def test_a_module_that_folds_itself_is_folded_wherever_it_stands():
    parent = nn.ModuleDict({"inner": nn.ModuleList([JoinedLevels(3, 5, 4)])})
    assert fold(parent) is parent
    assert "inner.0.coarse.weight" in parent.state_dict()


def test_a_traced_entry_computes_the_entry_and_holds_only_its_own_weights(toy_model):
    model = with_trained_norms(copy.deepcopy(toy_model))  # the fixture is everybody's
    traced = trace_entries(model, model.streaming((64, 96)).entries)
    names = {name.removeprefix("model.") for name in traced["paint"].program.state_dict}
    assert names == {"shared.weight", "shared.bias", "classify.weight", "classify.bias"}
    frame = torch.rand(1, 3, 64, 96) * 255
    found = traced["look"].program.module()(frame=frame)
    features, summary = model.look(frame)
    assert torch.allclose(found["features"], features, atol=1e-5)
    assert torch.allclose(found["summary"], summary, atol=1e-5)


def test_an_entry_is_traced_once(toy_model, monkeypatch):
    export, traced = torch.export.export, []
    monkeypatch.setattr(torch.export, "export", lambda *given: traced.append(given) or export(*given))
    trace_entries(toy_model, toy_model.streaming((64, 96)).entries)
    assert len(traced) == 2


def test_a_buffer_that_an_entry_does_not_read_leaves_its_program_and_its_module(toy_model):
    model = copy.deepcopy(toy_model)
    model.register_buffer("kept", torch.ones(3))
    model.register_buffer("passing", torch.ones(3), persistent=False)
    for item in trace_entries(model, model.streaming((64, 96)).entries).values():
        program = item.program
        program.validate()
        assert not {"model.kept", "model.passing"} & {*program.state_dict, *program.constants}
        assert not list(item.module.buffers())


def test_a_method_that_returns_too_little_is_named(toy_model):
    entry = Entry("look", {"frame": (1, 3, 64, 96)}, {"features": (1, 16, 16, 24)})
    with pytest.raises(ValueError, match="look returns 2 tensors"):
        EntryModule(toy_model, entry)(frame=torch.zeros(1, 3, 64, 96))
