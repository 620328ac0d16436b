"""Contrastive training of a linear head at finite batch size, and the gain that it ends with."""

from __future__ import annotations

from validation.training.descent import Euclidean, Relative
from validation.training.extrapolation import MeasuredGain, measure_log_gain
from validation.training.objectives import Cosine, InnerProduct, Spectral
from validation.training.run import Stopping, TrainedHeads, train
from validation.training.sampling import GaussianViews, MaskedViews
from validation.training.stationarity import DriftTest, drift_test
from validation.training.trainer import Trainer

__all__ = [
    "Cosine",
    "DriftTest",
    "Euclidean",
    "GaussianViews",
    "InnerProduct",
    "MaskedViews",
    "MeasuredGain",
    "Relative",
    "Spectral",
    "Stopping",
    "TrainedHeads",
    "Trainer",
    "drift_test",
    "measure_log_gain",
    "train",
]
