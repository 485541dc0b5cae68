"""The networks that ship, each by its shape."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import backtester as bt
from signals.checks import found
from signals.network import Network

if TYPE_CHECKING:
    import torch

    from signals.networks import Shape


class MLP(Network):
    """A multilayer perceptron on one row of features."""

    def __init__(
        self, hidden: Sequence[int] = (32, 16), activation: str = "relu", norm: str | None = None, skip: bool = False,
        **settings: Any,
    ) -> None:  # fmt: skip
        """Layers of ``hidden`` units (`signals.networks.MLPShape`); further settings are those of `Network`."""
        self._own = {"hidden": _sizes("hidden", hidden), "activation": activation, "norm": norm, "skip": skip}
        super().__init__(**settings)
        self.shape(1, 1)  # what cannot be built is told now
        if norm == "batch" and self.training.batch == 1 and self._loss().batches == "rows":
            raise bt.ConfigError("norm is 'batch' and batch is 1: the spread of one sample is not known. Take more.")

    def shape(self, inputs: int, outputs: int) -> Shape:
        """Of the layers."""
        from signals.networks import MLPShape

        own = self._given
        return MLPShape(inputs, outputs, own["hidden"], own["activation"], own["norm"], own["skip"])


class RNN(Network):
    """A plain recurrent network (Elman, 1990) over a window of channels."""

    def __init__(
        self, hidden: int = 64, layers: int = 1, *, window: int = 20, features: Any = "default", **settings: Any
    ) -> None:
        """Layers of ``hidden`` units over ``window`` sessions; further settings are those of `Network`."""
        self._own = {"hidden": hidden, "layers": layers}
        super().__init__(window=window, features=features, **settings)
        self.shape(1, 1)  # what cannot be built is told now

    def shape(self, inputs: int, outputs: int) -> Shape:
        """Of the cells."""
        return _recurrent("rnn", inputs, outputs, self._given)


class LSTM(Network):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) over a window of channels."""

    def __init__(
        self, hidden: int = 64, layers: int = 1, *, window: int = 20, features: Any = "default", **settings: Any
    ) -> None:
        """Layers of ``hidden`` units over ``window`` sessions; further settings are those of `Network`."""
        self._own = {"hidden": hidden, "layers": layers}
        super().__init__(window=window, features=features, **settings)
        self.shape(1, 1)  # what cannot be built is told now

    def shape(self, inputs: int, outputs: int) -> Shape:
        """Of the cells."""
        return _recurrent("lstm", inputs, outputs, self._given)


class GRU(Network):
    """Gated recurrent units (Cho et al., 2014) over a window of channels."""

    def __init__(
        self, hidden: int = 64, layers: int = 1, *, window: int = 20, features: Any = "default", **settings: Any
    ) -> None:
        """Layers of ``hidden`` units over ``window`` sessions; further settings are those of `Network`."""
        self._own = {"hidden": hidden, "layers": layers}
        super().__init__(window=window, features=features, **settings)
        self.shape(1, 1)  # what cannot be built is told now

    def shape(self, inputs: int, outputs: int) -> Shape:
        """Of the cells."""
        return _recurrent("gru", inputs, outputs, self._given)


class CNN(Network):
    """Causal, dilated convolutions (as of van den Oord et al., 2016) over a window of channels."""

    def __init__(
        self, channels: Sequence[int] = (16, 16, 16, 16), kernel: int = 3, dilation: int = 2,
        activation: str = "relu", *, window: int = 20, features: Any = "default", **settings: Any,
    ) -> None:  # fmt: skip
        """Layers of ``channels``, the k-th with steps of ``dilation**k``; further settings are those of `Network`."""
        sizes = _sizes("channels", channels)
        self._own = {"channels": sizes, "kernel": kernel, "dilation": dilation, "activation": activation}
        super().__init__(window=window, features=features, **settings)
        self.shape(1, 1)  # what cannot be built is told now

    def shape(self, inputs: int, outputs: int) -> Shape:
        """Of the convolutions."""
        from signals.networks import CNNShape

        own = self._given
        return CNNShape(inputs, outputs, own["channels"], own["kernel"], own["dilation"], own["activation"])


class Transformer(Network):
    """A Transformer encoder with causal attention (Vaswani et al., 2017) over a window of channels."""

    def __init__(
        self, width: int = 32, heads: int = 4, layers: int = 2, activation: str = "gelu", *,
        window: int = 20, features: Any = "default", **settings: Any,
    ) -> None:  # fmt: skip
        """Blocks of ``width`` and so many ``heads``; further settings are those of `Network`."""
        self._own = {"width": width, "heads": heads, "layers": layers, "activation": activation}
        super().__init__(window=window, features=features, **settings)
        self.shape(1, 1)  # what cannot be built is told now

    def shape(self, inputs: int, outputs: int) -> Shape:
        """Of the blocks."""
        from signals.networks import TransformerShape

        own = self._given
        return TransformerShape(
            inputs, outputs, own["width"], own["heads"], own["layers"], own["window"], own["activation"]
        )


class Module(Network):
    """Any `torch.nn.Module` by name. It is trained by itself: nothing is known of how it could share a step.

    It is made as ``module(**arguments)``, with ``inputs`` and ``outputs`` too if it takes arguments of these names. Its
    ``forward`` takes (B, inputs), or (B, window, inputs) with a window, and gives (B, outputs), or (B,) for one output.
    """

    def __init__(
        self, module: str, arguments: Mapping[str, Any] | None = None, *, window: int | None = None, **settings: Any
    ) -> None:
        """Find the class ``package.module:Class`` or ``file.py:Class``; further settings are those of `Network`."""
        self._kind = _class_of(module)
        self._own = {"module": module, "arguments": dict(arguments or {})}
        super().__init__(window=window, **settings)
        if self.training.dropout:
            raise bt.ConfigError(f"dropout is {self.training.dropout}; that of a module of one's own stands in it: 0.")

    def shape(self, inputs: int, outputs: int) -> Shape:
        """That of whatever the module is."""
        from signals.networks import ModuleShape

        return ModuleShape(partial(_make, self._kind, dict(self._given["arguments"]), inputs, outputs), outputs)

    def sources(self) -> list[Any]:
        """The module's class too."""
        return [*super().sources(), self._kind]


def _class_of(name: str) -> Any:
    """The class of a module by its name."""
    import torch

    kind = found(name, "module")
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        what = f"the class {kind.__name__}" if isinstance(kind, type) else f"a {type(kind).__name__}"
        raise bt.ConfigError(f"module is {name!r}, which is {what}; it must name a class derived from torch.nn.Module.")
    return kind


def _recurrent(cell: str, inputs: int, outputs: int, own: Mapping[str, Any]) -> Shape:
    from signals.networks import RecurrentShape

    return RecurrentShape(cell, inputs, outputs, own["hidden"], own["layers"])


def _sizes(key: str, given: Any) -> tuple[Any, ...]:
    """What is given for the layers, one number each."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise bt.ConfigError(f"{key} is {given!r}; it must be a list of whole numbers, one a layer, such as [32, 16].")
    return tuple(given)


def _make(kind: Any, arguments: dict[str, Any], inputs: int, outputs: int) -> torch.nn.Module:
    """The user's module."""
    takes = inspect.signature(kind).parameters
    sizes = {key: value for key, value in (("inputs", inputs), ("outputs", outputs)) if key in takes}
    try:
        made: torch.nn.Module = kind(**{**sizes, **arguments})
    except TypeError as error:
        raise bt.ConfigError(f"module {kind.__name__} refused its arguments {arguments}: {error}") from error
    return made
