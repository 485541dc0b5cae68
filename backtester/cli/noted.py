"""What a run of the command line notes beside its settings: the check of its data, and how good its scores are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtester.errors import DataError

if TYPE_CHECKING:
    from backtester.market.panel import Panel

_LOSS_DIGITS = 4  # decimals of losses, which are of single precision
# How the note of a model begins that has come to numbers that are none.
_FAILED = ("the loss was", "a weight is no number")
_DIGITS = 6  # decimals that are kept: the record of a run is the same wherever the last bits differ


def data_check(dataset: Path) -> dict[str, dict[str, int]] | None:
    """What the check of a dataset found: ``errors`` and ``warnings``, each kind with its count; None: not checked.

    A check of other data (the folder's tables were replaced since) counts as none.
    """
    from backtester.market import store

    try:
        found = json.loads((dataset / store.CHECK).read_text(encoding="utf-8"))
        if found["fingerprint"] != store.read_manifest(dataset)["fingerprint"]:
            return None
        return {
            f"{severity}s": {one["kind"]: int(one["count"]) for one in found["problems"] if one["severity"] == severity}
            for severity in ("error", "warning")
        }
    except (DataError, OSError, ValueError, KeyError, TypeError):
        return None


def signal_quality(panel: Panel, scores: Any, horizon: int, fill: str, source: str) -> dict[str, Any]:
    """How well scores ordered what followed, as plain numbers for the record of a run; None is unknown.

    Args:
        panel: the market.
        scores: `bt.Scores`, (T, N), or a DataFrame of dates by symbols.
        horizon: sessions of the labels.
        fill: the price that labels run from and to, that of the orders.
        source: the class of the signal or the name of the file; ``""``: the scores came with the market.

    Returns:
        ``source``; ``horizon``; ``rank_ic``, the mean of `bt.rank_ic` of scores and labels over ``sessions``, those in
        which it is known; ``standard_error``, ``std / sqrt(sessions / horizon)``, since labels of a horizon ``h``
        overlap; ``above_zero``, the share of these sessions; ``scored``, the share of the members that can be ordered
        which have a score, over ``sessions_scored``, those with any score. Of scores with members also ``members``, the
        mean rank IC of each by name, ``members_sessions``, in how many it is known, and ``members_mean``,
        ``members_low`` and ``members_high`` over them: None where they did not score the same sessions, as means over
        others do not compare. Of scores with learning curves also ``learning``, see `of_learning`.
    """
    import backtester as bt
    from backtester.inputs import align_scores

    given = align_scores(scores, panel)
    assert given is not None
    followed = bt.labels(panel, None, horizon, fill=fill)  # type: ignore[arg-type]
    ic = _known_ic(given, followed)
    eligible, known = panel.member & panel.tradable, np.isfinite(given)
    rows = known.any(axis=1)
    could = int(eligible[rows].sum())
    error = float(ic.std(ddof=1) / np.sqrt(ic.size / horizon)) if ic.size > 1 else None
    return {
        "source": source,
        "horizon": horizon,
        "rank_ic": _rounded(float(ic.mean()) if ic.size else None),
        "standard_error": _rounded(error),
        "above_zero": _rounded(float((ic > 0.0).mean()) if ic.size else None),
        "sessions": int(ic.size),
        "scored": _rounded(float((known & eligible)[rows].sum() / could) if could else None),
        "sessions_scored": int(rows.sum()),
        **_of_members(scores, panel, followed),
        **({"learning": of_learning(scores.learning)} if getattr(scores, "learning", ()) else {}),
    }


def of_learning(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What there is to know of learning curves, whose rows are those of `bt.Scores.learning`.

    Returns:
        ``models``, how many there are, each fold counted; ``failed``, those that stopped as a loss or a weight was no
        number: ``fold``, ``model``, ``epoch`` and ``note`` of each; ``by``, the loss that the rest tells of:
        ``"valid_loss"``, its lowest of each model that has any, or, where no model has, ``"train_loss"``, its last;
        ``epoch_low`` and ``epoch_high``, between which epochs these lie; ``loss_low`` and ``loss_high``. None is
        unknown.
    """
    curves: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
    for row in rows:
        curves.setdefault((row["fold"], row["model"]), []).append(row)
    failed = [
        {key: curve[-1][key] for key in ("fold", "model", "epoch", "note")}
        for curve in curves.values()
        if str(curve[-1]["note"] or "").startswith(_FAILED)
    ]
    by = "valid_loss" if any(_is_known(row["valid_loss"]) for row in rows) else "train_loss"
    known = [own for curve in curves.values() if (own := [row for row in curve if _is_known(row[by])])]
    told = [min(own, key=lambda row: float(row[by])) if by == "valid_loss" else own[-1] for own in known]
    epochs = [row["epoch"] for row in told if row["epoch"] is not None]
    losses = [round(float(row[by]), _LOSS_DIGITS) for row in told]
    return {
        "models": len(curves),
        "failed": failed,
        "by": by,
        "epoch_low": min(epochs, default=None),
        "epoch_high": max(epochs, default=None),
        "loss_low": min(losses, default=None),
        "loss_high": max(losses, default=None),
    }


def _is_known(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _known_ic(given: Any, followed: Any) -> Any:
    """`bt.rank_ic` of the sessions in which it is known."""
    import backtester as bt

    ic = bt.rank_ic(given, followed)
    return ic[np.isfinite(ic)]


def _of_members(scores: Any, panel: Panel, followed: Any) -> dict[str, Any]:
    """The mean rank IC of every member of the scores, and how far they are apart; nothing where there are none."""
    from backtester.inputs import align_scores
    from backtester.scores import Scores

    if not isinstance(scores, Scores) or not scores.members:
        return {}
    found, sessions = {}, {}
    for name, own in scores.members.items():
        ic = _known_ic(align_scores(Scores(own, scores.dates, scores.symbols), panel), followed)
        found[name], sessions[name] = _rounded(float(ic.mean()) if ic.size else None), int(ic.size)
    scored = {np.isfinite(own).any(axis=1).tobytes() for own in scores.members.values()}
    known = [one for one in found.values() if one is not None] if len(scored) == 1 else []
    return {
        "members": found,
        "members_sessions": sessions,
        "members_mean": _rounded(float(np.mean(known)) if known else None),
        "members_low": min(known, default=None),
        "members_high": max(known, default=None),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
