"""The table of published results that can be remade: one module each, one line each."""

from __future__ import annotations

from validation.reproduce import (
    double_descent,
    gmz_accuracy,
    gmz_heat_map,
    gmz_thresholds,
    loureiro,
    max_margin,
    mignacco,
    separability,
    xue_scenarios,
    xue_weights,
)
from validation.reproduce.target import Target

_GMZ = "Gui, Ma, Zhong, arXiv 2306.03335"
_XUE = "Xue et al., arXiv 2403.11391"

TARGETS = {
    "gmz-heat-map": Target(
        _GMZ,
        "expansion measure over temperature and augmentation, R = 5, d = 50",
        gmz_heat_map.remake,
    ),
    "gmz-thresholds": Target(
        _GMZ, "temperatures of collapse and of EM = 1, R = 5, d = 50", gmz_thresholds.remake
    ),
    "gmz-accuracy": Target(
        _GMZ, "max-margin accuracy against expansion and shrinkage", gmz_accuracy.remake
    ),
    "xue-weights": Target(
        _XUE, "weights of features before and after the head", xue_weights.remake
    ),
    "xue-scenarios": Target(_XUE, "where the head hurts and where it helps", xue_scenarios.remake),
    "max-margin": Target(
        "Montanari et al., arXiv 1911.01544; Deng et al., arXiv 1911.05822",
        "max-margin below the separability threshold, the logistic MLE above",
        max_margin.remake,
    ),
    "double-descent": Target(
        "Hastie et al., arXiv 1903.08560; Deng et al., arXiv 1911.05822",
        "least squares and its minimum-norm solution over p/n",
        double_descent.remake,
    ),
    "mignacco": Target(
        "Mignacco et al., arXiv 2002.11544",
        "infinite ridge and Bayes, interpolation peak, unequal clusters",
        mignacco.remake,
    ),
    "loureiro": Target(
        "Loureiro et al., arXiv 2106.03791",
        "learning curves of square, hinge and logistic probes, two variances",
        loureiro.remake,
    ),
    "separability": Target(
        "Candes, Sur, arXiv 1804.09753; Cover 1965",
        "the n/p up to which two Gaussian classes are separable",
        separability.remake,
    ),
}
