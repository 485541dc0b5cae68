"""What a signal sees of each symbol after each close: features of a session, and channels of a sequence of them."""

from signals.features.channels import channel_names, channel_warmup, channels
from signals.features.compute import compute, default_features
from signals.features.kinds import SCALES, feature_names, warmup_of
from signals.features.naming import RESTATED
from signals.features.prices import fracdiff_weights, fracdiff_width

__all__ = [
    "RESTATED",
    "SCALES",
    "channel_names",
    "channel_warmup",
    "channels",
    "compute",
    "default_features",
    "feature_names",
    "fracdiff_weights",
    "fracdiff_width",
    "warmup_of",
]
