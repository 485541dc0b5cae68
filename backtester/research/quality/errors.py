"""How far scores were off, where a score is more than a rank: a return that is predicted, or a probability."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backtester.cross_section import demeaned
from backtester.errors import ConfigError, did_you_mean

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# What scores may predict.
PREDICTS = ("return", "demeaned", "sector_demeaned", "probability", "up_less_down")
# Rounding of a mean of probabilities.
_ROUNDING = 1e-6


class Errors(NamedTuple):
    """Errors over all names of all sessions, each counting the same: see `prediction_errors`."""

    mse: float
    mae: float
    direction: float
    precision: float
    recall: float
    base_rate: float
    cells: int  # how many: names, each session counted


def prediction_errors(
    scores: Floats, labels: Floats, predicts: str | None, sectors: Ints | None = None
) -> Errors | None:
    """How far predictions were off; None for scores that predict nothing but an order.

    Over the names with a score ``s`` and a raw label ``y``, all sessions together, nothing annualised:

    - ``mse = mean((s - y) ** 2)``, in squared returns, and ``mae = mean(|s - y|)``, in returns;
    - a name is *predicted up* if ``s > 0`` and *went up* if ``y > 0``. ``direction`` is the share of names of which
      both or neither is true; ``precision`` the share of those predicted up that went up; ``recall`` the share of those
      that went up that were predicted up; ``base_rate`` the share that went up: what always saying up is worth.

    For ``demeaned`` and ``sector_demeaned``, ``y`` is the label less the mean of the session, or of the sector in it,
    and up is above that. For a ``probability`` ``p`` of going up, ``y`` is 1 where the label is above 0 and else 0, so
    that ``mse`` is the Brier score (Brier, 1950), and predicted up is ``p > 0.5``; ``up_less_down`` is the probability
    of up less that of down, which stands for ``p = (1 + s) / 2``.

    A share of nothing is NaN. Means weigh names, so that sessions with more names weigh more.

    Args:
        scores: (R, N); NaN is no opinion.
        labels: (R, N) raw labels; NaN is unknown.
        predicts: what a score is: ``return``, ``demeaned``, ``sector_demeaned`` (returns of the label's horizon),
            ``probability`` or ``up_less_down``; None: something that only orders.
        sectors: (N,) codes; read for ``sector_demeaned`` only.

    Raises:
        ConfigError: there is no such prediction, or a score is no probability.
    """
    if predicts is None:
        return None
    if predicts not in PREDICTS:
        hint = did_you_mean(str(predicts), PREDICTS)
        raise ConfigError(f"predicts is {predicts!r}; it must be one of {', '.join(PREDICTS)}, or None.{hint}")
    if predicts in ("demeaned", "sector_demeaned"):
        labels = demeaned(labels, sectors if predicts == "sector_demeaned" else None)
    both = np.isfinite(scores) & np.isfinite(labels)
    s, y = scores[both], labels[both]
    if predicts in ("probability", "up_less_down"):
        chance = _chance(s, predicts)
        went_up = y > 0.0
        return _errors(chance - went_up, chance > 0.5, went_up)
    return _errors(s - y, s > 0.0, y > 0.0)


def _chance(s: Floats, predicts: str) -> Floats:
    """The probability of going up that scores mean."""
    chance = s if predicts == "probability" else (1.0 + s) / 2.0
    if s.size and (chance.min() < -_ROUNDING or chance.max() > 1.0 + _ROUNDING):
        span = "0 to 1" if predicts == "probability" else "-1 to 1"
        raise ConfigError(
            f"predicts is {predicts!r}, but the scores run from {s.min():.6g} to {s.max():.6g} and not within {span}."
        )
    return np.clip(chance, 0.0, 1.0)


def _errors(off: Floats, said_up: NDArray[np.bool_], went_up: NDArray[np.bool_]) -> Errors:
    hits = int((said_up & went_up).sum())
    return Errors(
        mse=_share(float((off * off).sum()), off.size),
        mae=_share(float(np.abs(off).sum()), off.size),
        direction=_share(int((said_up == went_up).sum()), off.size),
        precision=_share(hits, int(said_up.sum())),
        recall=_share(hits, int(went_up.sum())),
        base_rate=_share(int(went_up.sum()), off.size),
        cells=int(off.size),
    )


def _share(part: float, whole: int) -> float:
    return part / whole if whole else np.nan
