"""The equations solved in mpmath at any number of digits: an oracle for the float kernels."""

from asymptotics.reference.solve import (
    REFERENCE_LOSSES,
    ReferencePoint,
    reference_accuracy,
    reference_spectrum_accuracy,
)
from asymptotics.reference.thresholds import reference_collapse, reference_separability

__all__ = [
    "REFERENCE_LOSSES",
    "ReferencePoint",
    "reference_accuracy",
    "reference_collapse",
    "reference_separability",
    "reference_spectrum_accuracy",
]
