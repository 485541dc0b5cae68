"""Small networks of every kind, and the same of torch.nn's own modules, for the tests of stacks."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from signals.networks import CNNShape, MLPShape, ModuleShape, RecurrentShape, TransformerShape, build, take
from signals.networks.transformer import sinusoids

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
WINDOW, INPUTS, BATCH = 9, 5, 7
FLAT = {
    "linear": MLPShape(INPUTS, hidden=()),
    "mlp": MLPShape(INPUTS, outputs=3, hidden=(8, 6)),
    "mlp_tanh": MLPShape(INPUTS, hidden=(8,), activation="tanh"),
    "mlp_sigmoid": MLPShape(INPUTS, hidden=(8,), activation="sigmoid"),
    "mlp_gelu": MLPShape(INPUTS, hidden=(8,), activation="gelu"),
    "mlp_batch": MLPShape(INPUTS, hidden=(8, 6), norm="batch"),
    "mlp_layer": MLPShape(INPUTS, hidden=(8, 6), norm="layer", activation="gelu"),
    "mlp_skip": MLPShape(INPUTS, hidden=(5, 5, 4), skip=True),
}
SEQUENCES = {
    "rnn": RecurrentShape("rnn", INPUTS, hidden=6),
    "lstm": RecurrentShape("lstm", INPUTS, outputs=3, hidden=6, layers=2),
    "gru": RecurrentShape("gru", INPUTS, hidden=6, layers=2),
    "cnn": CNNShape(INPUTS, channels=(6, 4)),  # looks 7 sessions back, of 9
    "cnn_far": CNNShape(INPUTS, channels=(6, 4, 4), kernel=2, dilation=4, activation="gelu"),  # 22, of 9
    "transformer": TransformerShape(INPUTS, width=8, heads=2, layers=2, window=WINDOW),
    "transformer_one": TransformerShape(INPUTS, outputs=3, width=6, heads=3, layers=1, window=12, activation="relu"),
}
SHAPES = FLAT | SEQUENCES
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


def batch_of(name: str, lanes: int, seed: int = 0) -> torch.Tensor:
    """Inputs of a shape: (lanes, B, F) or (lanes, B, L, C)."""
    size = (BATCH, INPUTS) if name in FLAT else (BATCH, WINDOW, INPUTS)
    return torch.randn(lanes, *size, generator=torch.Generator().manual_seed(seed))


def stack_of(name: str, seeds=(0, 1), dropout=(0.0, 0.3)):
    return build(SHAPES[name], len(seeds), seeds, dropout)


def own_module(dropout: float = 0.5):
    return ModuleShape(lambda: nn.Sequential(nn.Linear(INPUTS, 4), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4, 1)))


class _MLP(nn.Module):
    def __init__(self, shape):
        super().__init__()
        norms = {None: nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        widths = (shape.inputs, *shape.hidden)
        self.layers, self.norms, self.skips = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for inputs, outputs in pairwise(widths):
            self.layers.append(nn.Linear(inputs, outputs, bias=shape.norm != "batch"))
            self.norms.append(norms[shape.norm](outputs))
            through = shape.skip and inputs != outputs
            self.skips.append(nn.Linear(inputs, outputs, bias=False) if through else nn.Identity())
        self.head, self.skip, self.activation = nn.Linear(widths[-1], shape.outputs), shape.skip, shape.activation

    def forward(self, x):
        for layer, norm, skip in zip(self.layers, self.norms, self.skips, strict=True):
            h = ACTIVATIONS[self.activation]()(norm(layer(x)))
            x = h + skip(x) if self.skip else h
        return self.head(x)

    def name_of(self, own):
        own = own.replace(".norm.mean", ".norm.running_mean").replace(".norm.var", ".norm.running_var")
        parts = own.split(".")
        if "norm" in parts:
            return f"norms.{parts[1]}.{parts[3]}"
        return f"skips.{parts[1]}.weight" if "skip" in parts else own


class _Recurrent(nn.Module):
    def __init__(self, shape):
        super().__init__()
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[shape.cell]
        self.body = kind(shape.inputs, shape.hidden, shape.layers, batch_first=True)
        self.head = nn.Linear(shape.hidden, shape.outputs)

    def forward(self, x):
        return self.head(self.body(x)[0][:, -1])

    def name_of(self, own):
        if own.startswith("head"):
            return own
        _, layer, kind = own.split(".")
        side, what = kind.split("_")
        return f"body.{what}_{'ih' if side == 'input' else 'hh'}_l{layer}"


class _CNN(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layers, self.activation = nn.ModuleList(), shape.activation
        for k, (inputs, outputs) in enumerate(pairwise((shape.inputs, *shape.channels))):
            self.layers.append(nn.Conv1d(inputs, outputs, shape.kernel, dilation=shape.dilation**k))
        self.head = nn.Linear(shape.channels[-1], shape.outputs)

    def forward(self, x):
        h = x.transpose(1, 2)
        for layer in self.layers:
            back = (layer.kernel_size[0] - 1) * layer.dilation[0]
            h = ACTIVATIONS[self.activation]()(layer(nn.functional.pad(h, (back, 0))))
        return self.head(h[:, :, -1])

    def name_of(self, own):
        return own


class _Transformer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.window, self.width = shape.window, shape.width
        self.enter, self.head = nn.Linear(shape.inputs, shape.width), nn.Linear(shape.width, shape.outputs)
        layer = nn.TransformerEncoderLayer(
            shape.width, shape.heads, 4 * shape.width, 0.0, shape.activation, batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(shape.width)
        self.body = nn.TransformerEncoder(layer, shape.layers, norm, enable_nested_tensor=False)

    def forward(self, x):
        length = x.shape[1]
        h = self.enter(x) + sinusoids(self.window, self.width)[-length:].to(x)
        mask = torch.full((length, length), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        return self.head(self.body(h, mask)[:, -1])

    def name_of(self, own):
        theirs = {
            "attend.weight": "self_attn.in_proj_weight",
            "attend.bias": "self_attn.in_proj_bias",
            "merge.weight": "self_attn.out_proj.weight",
            "merge.bias": "self_attn.out_proj.bias",
            **{f"{a}.{what}": f"{b}.{what}" for a, b in (("rise", "linear1"), ("fall", "linear2")) for what in _BOTH},
            **{f"norm_{k}.{what}": f"norm{k}.{what}" for k in (1, 2) for what in _BOTH},
        }
        if own.startswith("layers."):
            _, layer, rest = own.split(".", 2)
            return f"body.layers.{layer}.{theirs[rest]}"
        return f"body.{own}" if own.startswith("norm.") else own


_BOTH = ("weight", "bias")
_THEIRS = {MLPShape: _MLP, RecurrentShape: _Recurrent, CNNShape: _CNN, TransformerShape: _Transformer}


def torch_of(name: str, stack, m: int):
    """The network of a shape in torch.nn's modules with the weights of model m; None: fresh weights."""
    shape = SHAPES[name]
    found = _THEIRS[type(shape)](shape)
    if stack is not None:
        own = {found.name_of(key): value[0] for key, value in take(stack.state(), [m]).items()}
        found = found.to(next(iter(own.values())))
        missing, surplus = found.load_state_dict(own, strict=False)
        assert not surplus
        assert all(key.endswith("num_batches_tracked") for key in missing)
    return found
