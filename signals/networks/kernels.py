"""What is compiled of the networks, in one file, since Numba keeps compiled code by the file of what is called.

`drop` is dropout on the CPU. `train` is an epoch of plain multilayer perceptrons (linear, ReLU, dropout; one output):
one lane with all its configurations, batch after batch, gather to step; `score` is what they say of some cells. A batch
goes through a network tile by tile, each (units, samples): then a product is small enough for the BLAS to work at the
speed of the core, and what belongs to it stays in the nearest cache. Numba hands matrix products to SciPy's BLAS.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.compile import kernel

Singles = NDArray[np.float32]
MSE, MAE, HUBER = 0, 1, 2
GOLDEN, STRIDE = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
SPREAD, LOW_1, LOW_2 = 0x9E3779B9, 0x7FEB352D, 0x846CA68B
TILE = 256  # samples of a batch that go through a network at once: few enough for products that a BLAS does not pack
_TOUCHED = 64  # samples whose memory is asked for at once
_LINE = 16  # numbers of a line of the cache
_LARGEST = np.float32(np.finfo(np.float32).max)
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


class Batches(NamedTuple):
    """What a lane learns from."""

    inputs: Singles  # (cells, F), NaN where unknown
    labels: Singles  # (cells,)
    order: NDArray[np.int64]  # (steps * batch,) cells
    shift: Singles  # (F,)
    factor: Singles  # (F,)
    unit: np.float32  # labels are divided by it
    has_unknown: bool  # whether an input is NaN anywhere


class Models(NamedTuple):
    """The configurations of a lane; written to, but for those that are not active."""

    values: Singles  # (C, P) parameters: of each layer the weight (O, I), then the bias
    first: Singles  # (C, P) Adam's mean of the gradient
    second: Singles  # (C, P) and of its square
    active: NDArray[np.bool_]  # (C,)
    rate: NDArray[np.float64]  # (C,)
    l1: Singles  # (C,)
    l2: Singles  # (C,)
    base: NDArray[np.int64]  # (C,) what dropout is drawn from
    limit: NDArray[np.int64]  # (C,) its rate, of 2**32
    scale: Singles  # (C,) 1 / (1 - its rate)
    losses: Singles  # (C,) set to the mean of the epoch


class Rules(NamedTuple):
    """How all of them learn."""

    widths: NDArray[np.int64]  # features, units of each hidden layer
    is_weight: NDArray[np.bool_]  # (P,) what penalties act on
    batch: int
    loss: int
    delta: float  # of Huber's loss
    clip: float  # longest gradient; infinite: any
    beta_1: float
    beta_2: float
    epsilon: float
    decay: float  # of the weights
    is_decoupled: bool  # whether it acts on the weights themselves (AdamW) or on the gradient (Adam)


class Drawn(NamedTuple):
    """What dropout of a tile is drawn from."""

    base: np.int64  # of the model
    limit: np.int64  # its rate, of 2**32; 0: nothing is dropped
    scale: np.float32  # 1 / (1 - its rate)
    counter: np.uint64  # of the step
    first: int  # sample of the tile, of those of the batch
    batch: int  # samples


_NOTHING = Drawn(np.int64(0), np.int64(0), _ONE, np.uint64(0), 0, 0)


@kernel
def drop(x, base, limit, scale, counter, out):
    """Elements of each model (M, E) times 0 or its scale: `signals.networks.dropout` says which."""
    for m in range(x.shape[0]):
        low, high = _keys(base[m], counter)
        least, factor = np.uint32(limit[m]), scale[m]
        for i in range(x.shape[1]):
            # A product, not a choice: NaN stays NaN, as it does in torch.
            out[m, i] = x[m, i] * (factor if _drawn(i, low, high) >= least else _ZERO)


@kernel
def _keys(base, counter):
    """Two numbers of 32 bits from the base of a model and a counter of 64 bits."""
    key = np.uint64(base) + counter
    key = (key ^ (key >> np.uint64(30))) * np.uint64(MIX_1)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(MIX_2)
    key = key ^ (key >> np.uint64(31))
    return np.uint32(key), np.uint32(key >> np.uint64(32))


@kernel
def _drawn(i, low, high):
    """A number of 32 bits for element ``i``."""
    value = np.uint32(np.uint32(np.uint32(i) * np.uint32(SPREAD)) + low)
    value ^= value >> np.uint32(16)
    value = np.uint32(value * np.uint32(LOW_1))
    value ^= value >> np.uint32(15)
    value = np.uint32(value + high)
    value = np.uint32(value * np.uint32(LOW_2))
    return np.uint32(value ^ (value >> np.uint32(16)))


@kernel
def _drop_unit(values, unit, layer, drawn):
    """`drop` of what a unit of a layer says of the samples of a tile, in place."""
    low, high = _keys(drawn.base, drawn.counter + np.uint64(layer) * np.uint64(STRIDE))
    least, at = np.uint32(drawn.limit), unit * drawn.batch + drawn.first
    for i in range(len(values)):
        values[i] *= drawn.scale if _drawn(at + i, low, high) >= least else _ZERO


@kernel
def train(batches, models, rules, steps_done, first_step):
    """An epoch of the models of a lane.

    Args:
        batches: what is learnt from.
        models: `Models`.
        rules: `Rules`.
        steps_done: by the optimizer, before.
        first_step: its number for dropout.
    """
    size, widths = rules.batch, rules.widths
    features, units, tile = widths[0], widths[1:].sum(), min(size, TILE)
    x, label = np.empty(features * size, np.float32), np.empty(size, np.float32)
    slope, ones, hidden = np.empty(tile, np.float32), np.ones(tile, np.float32), np.empty(units * tile, np.float32)
    up, down = np.empty(widths[1:].max() * tile, np.float32), np.empty(widths[1:].max() * tile, np.float32)
    gradient, part = np.empty(models.values.shape[1], np.float32), np.empty(models.values.shape[1], np.float32)
    steps = len(batches.order) // size
    totals = np.zeros(len(models.rate))
    for step in range(steps):
        _gather(batches, step * size, features, x, label)
        for c in range(len(models.rate)):
            if not models.active[c]:
                continue
            values, counter = models.values[c], np.uint64(first_step + step) * np.uint64(GOLDEN)
            gradient[:] = _ZERO
            loss = 0.0
            for at in range(0, size, tile):
                count = min(tile, size - at)
                some = x[at * features : (at + count) * features].reshape(features, count)
                said, drawn = slope[:count], Drawn(models.base[c], models.limit[c], models.scale[c], counter, at, size)
                _forward(values, some, widths, drawn, hidden, said)
                loss += _slopes(said, label[at : at + count], rules)
                _backward(values, some, widths, drawn.scale, hidden, said, ones[:count], up, down, part)
                for k in range(len(part)):
                    gradient[k] += part[k]
            totals[c] += loss / size
            _penalize(values, gradient, models.l1[c], models.l2[c], rules)
            _move(models, c, gradient, rules, steps_done + step + 1)
    for c in range(len(models.rate)):
        models.losses[c] = totals[c] / steps


@kernel
def score(batches, values, widths, outputs):
    """The outputs of models with parameters (C, P) for the cells of ``batches.order``, whole tiles: (C, cells)."""
    features = widths[0]
    x, label = np.empty(features * TILE, np.float32), np.empty(TILE, np.float32)
    hidden = np.empty(widths[1:].sum() * TILE, np.float32)
    for at in range(0, len(batches.order), TILE):
        _gather(batches, at, features, x, label)
        for c in range(len(values)):
            said = outputs[c, at : at + TILE]
            _forward(values[c], x.reshape(features, TILE), widths, _NOTHING, hidden, said)


@kernel
def _gather(batches, first, features, x, label):
    """The labels of a batch, whose cells begin at ``first``, and its scaled inputs, tile after tile."""
    touched = _ZERO
    for at in range(0, len(label), TILE):
        count = min(TILE, len(label) - at)
        out = x[at * features : (at + count) * features].reshape(features, count)
        cells = batches.order[first + at : first + at + count]
        for begin in range(0, count, _TOUCHED):
            end = min(begin + _TOUCHED, count)
            # Rows lie anywhere: to ask for many at once is to wait once.
            for i in range(begin, end):
                row = batches.inputs[cells[i]]
                for f in range(0, features, _LINE):
                    touched = max(touched, row[f])
                touched = max(touched, row[features - 1])
            for i in range(begin, end):
                row = batches.inputs[cells[i]]
                for f in range(features):
                    out[f, i] = (row[f] - batches.shift[f]) * batches.factor[f]
                label[at + i] = batches.labels[cells[i]] / batches.unit
    if batches.has_unknown:  # as torch.nan_to_num
        for k in range(len(x)):
            value = x[k] if x[k] == x[k] else _ZERO
            x[k] = min(max(value, -_LARGEST), _LARGEST)
    return touched


@kernel
def _forward(values, x, widths, drawn, hidden, output):
    """The hidden values, layer after layer, and the output of a tile."""
    size = len(output)
    place, at, before = 0, 0, 0
    for layer in range(len(widths) - 1):
        inputs, units = widths[layer], widths[layer + 1]
        weight = values[place : place + units * inputs].reshape(units, inputs)
        bias = values[place + units * inputs : place + units * inputs + units]
        place += units * (inputs + 1)
        out = hidden[at : at + units * size].reshape(units, size)
        if layer == 0:
            np.dot(weight, x, out)
        else:
            np.dot(weight, hidden[before:at].reshape(inputs, size), out)
        for j in range(units):
            row, shift = out[j], bias[j]
            for i in range(size):
                value = row[i] + shift
                row[i] = _ZERO if value <= 0 else value  # NaN stays NaN
            if drawn.limit > 0:
                _drop_unit(row, j, layer, drawn)
        before, at = at, at + units * size
    last = widths[-1]
    np.dot(hidden[before:at].reshape(last, size).T, values[place : place + last], output)
    shift = values[place + last]
    for i in range(size):
        output[i] += shift


@kernel
def _slopes(output, label, rules):
    """The sum of the losses of a tile; the slope of the batch's loss by each output takes the place of the output."""
    share, delta = np.float32(1.0 / rules.batch), np.float32(rules.delta)
    total = 0.0
    for i in range(len(output)):
        error = output[i] - label[i]
        far = abs(error)
        if rules.loss == MSE:
            total += error * error
            output[i] = np.float32(2.0) * error * share
        elif rules.loss == MAE:
            total += far
            output[i] = np.sign(error) * share
        else:
            is_near = far <= delta
            total += np.float32(0.5) * error * error if is_near else delta * (far - np.float32(0.5) * delta)
            output[i] = (error if is_near else np.sign(error) * delta) * share
    return total


@kernel
def _backward(values, x, widths, scale, hidden, slope, ones, up, down, gradient):
    """A tile's share of the gradient. What is above 0 was not dropped, so it was multiplied by ``scale``."""
    size = len(slope)
    layers = len(widths) - 1
    last = widths[layers]
    end, place = widths[1:].sum() * size, len(values) - last - 1
    at = end - last * size
    np.dot(hidden[at:end].reshape(last, size), slope, gradient[place : place + last])
    gradient[place + last] = np.dot(slope, ones)
    for j in range(last):
        weight = values[place + j]
        row = up[j * size : (j + 1) * size]
        for i in range(size):
            row[i] = slope[i] * weight
    for layer in range(layers - 1, -1, -1):
        inputs, units = widths[layer], widths[layer + 1]
        place -= units * (inputs + 1)
        out = hidden[at : at + units * size]
        _mask(up[: units * size], out, scale)
        after = up[: units * size].reshape(units, size)
        to_weight = gradient[place : place + units * inputs].reshape(units, inputs)
        np.dot(after, ones, gradient[place + units * inputs : place + units * (inputs + 1)])
        if layer == 0:
            np.dot(after, x.T, to_weight)
        else:
            before = at - inputs * size
            np.dot(after, hidden[before:at].reshape(inputs, size).T, to_weight)
            weight_matrix = values[place : place + units * inputs].reshape(units, inputs)
            np.dot(weight_matrix.T, after, down[: inputs * size].reshape(inputs, size))
            up, down = down, up
            at = before


@kernel
def _mask(values, hidden, scale):
    """``values`` times ``scale`` where ``hidden`` is above 0, in place."""
    for k in range(len(values)):
        value = values[k] * scale  # in any case: a choice, and no branch
        values[k] = _ZERO if hidden[k] <= 0 else value


@kernel
def _penalize(values, gradient, l1, l2, rules):
    """Add the gradient of the penalties, then shorten the whole: as `signals.training.gradients`."""
    if l1 > 0 or l2 > 0:
        for k in range(len(values)):
            if rules.is_weight[k]:
                gradient[k] += l1 * np.sign(values[k]) + np.float32(2.0) * l2 * values[k]
    if rules.clip < np.inf:
        length = np.sqrt(np.float64(np.dot(gradient, gradient)))
        factor = np.float32(min(rules.clip / (length + 1e-12), 1.0))
        for k in range(len(gradient)):
            gradient[k] *= factor


@kernel
def _move(models, c, gradient, rules, step):
    """A step of Adam (Kingma and Ba 2015) or of AdamW (Loshchilov and Hutter 2019), as `torch.optim` takes it."""
    values, first, second = models.values[c], models.first[c], models.second[c]
    rate, decay = models.rate[c], np.float32(rules.decay)
    new_1, beta_2 = np.float32(1.0 - rules.beta_1), np.float32(rules.beta_2)
    new_2, epsilon = np.float32(1.0 - rules.beta_2), np.float32(rules.epsilon)
    size = np.float32(rate / (1.0 - rules.beta_1**step))
    root = np.float32(np.sqrt(1.0 - rules.beta_2**step))
    shrink = np.float32(1.0 - rate * rules.decay)
    for k in range(len(values)):
        slope, value = gradient[k], values[k]
        if rules.is_decoupled:
            value *= shrink
        else:
            slope += decay * value
        first[k] += (slope - first[k]) * new_1
        second[k] = second[k] * beta_2 + slope * slope * new_2
        values[k] = value - size * first[k] / (np.sqrt(second[k]) / root + epsilon)
