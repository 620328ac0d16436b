r"""What the symbols of the printed equations mean: one entry each, in plain text and in LaTeX.

An entry is (left side, right side) twice; entries without a right side in LaTeX are prose.  Only
what sympy does not derive is written here: the defining minimum, means over Gaussians, and words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """``symbol`` = ``text``, the same in LaTeX, or a meaning in words (``latex`` empty)."""

    symbol: str
    text: str
    latex_symbol: str
    latex: str = ""


def _words(symbol: str, meaning: str, latex_symbol: str | None = None) -> Definition:
    return Definition(symbol, meaning, latex_symbol or symbol)


ENVELOPE = (
    Definition(
        "F(gamma, mean, variance)",
        "E M(mean + sqrt(variance) z),  z ~ N(0, 1)",
        r"F(\gamma, \mu, v)",
        r"\mathrm{E}\, M(\mu + \sqrt{v}\, z), \quad z \sim N(0, 1)",
    ),
    Definition(
        "M(w)",
        "min_u loss(u) + (u - w)^2/(2 gamma),  the Moreau envelope; prox(w) its minimiser",
        "M(w)",
        r"\min_u \; \ell(u) + \frac{(u - w)^2}{2 \gamma}",
    ),
    Definition(
        "M'(w)",
        "(w - prox(w))/gamma = loss'(prox(w))",
        "M'(w)",
        r"\frac{w - \mathrm{prox}(w)}{\gamma} = \ell'(\mathrm{prox}(w))",
    ),
    Definition(
        "M''(w)",
        "loss''(u)/(1 + gamma loss''(u)) at u = prox(w), 1/gamma where prox rests at a kink",
        "M''(w)",
        r"\frac{\ell''(u)}{1 + \gamma \ell''(u)}, \quad u = \mathrm{prox}(w)",
    ),
)
ONE_LAW = _words("E", "mean over the margin w = mean + sqrt(variance) z in F", r"\mathrm{E}")
TWO_LAWS = _words(
    "E+, E-",
    "means over the margins of the classes y = +1, -1: the first and the second F",
    r"\mathrm{E}_+, \mathrm{E}_-",
)
NORMAL = Definition(
    "Phi_N(x)",
    "the standard normal distribution function",
    r"\Phi_N(x)",
    r"\int_{-\infty}^{x} \frac{e^{-t^2/2}}{\sqrt{2\pi}} \, dt",
)

COMMON = (
    _words("gamma", "step of the proximal map", r"\gamma"),
    _words("delta", "sampling ratio n/p", r"\delta"),
    _words("lambda", "ridge of (1/n) sum loss + (lambda/2) |theta|^2", r"\lambda"),
)
ISOTROPIC = (
    _words("R", "signal: the class means are +-R muhat, the noise is N(0, I)"),
    _words("a", "gain of the projector along muhat"),
    _words("m, q", "probe weights along muhat and across it, as seen by h"),
)
SPECTRAL = (
    _words("m, q", "mean and variance of the margin y theta.z of a fresh sample"),
    _words("vhat, mhat, qhat", "conjugates of q, m and gamma", r"\hat{V}, \hat{m}, \hat{q}"),
    _words(
        "s_k, w_k, c_k",
        "eigenvalue of the covariance, its weight (fraction of the dimensions), and the squared "
        "mean along it",
        "s_k, w_k, c_k",
    ),
)
INTERCEPT = (_words("b", "fitted intercept"), _words("pi", "P(y = 1)", r"\pi"))

HEAD = (
    _words("R", "signal: the class means are +-R muhat, the noise is N(0, I)"),
    Definition("D", "1 + sigma^2,  sigma the augmentation", "D", r"1 + \sigma^2"),
    _words("a", "gain of the head along muhat"),
    _words("d", "dimension of the representation"),
    _words("tau", "temperature", r"\tau"),
    _words("s, n", "eigenvalues of W^T W along the signal and across it, over tau for InfoNCE"),
    _words("u", "share of the signal in the energy |z|^2, 0 <= u <= 1 (collapse at 1)"),
    Definition("t", "d tau", "t", r"d \tau"),
    Definition("kappa", "(d - 1) D/a^2", r"\kappa", r"(d - 1) D / a^2"),
)
OPAQUE = {
    "LogCosh": (
        Definition(
            "LogCosh(k)",
            "E log cosh(k h),  h ~ N(R, D)",
            r"\mathrm{LogCosh}(k)",
            r"\mathrm{E} \log\cosh(k h), \quad h \sim N(R, D)",
        ),
        Definition(
            "HTanh(k)",
            "E h tanh(k h), the derivative of LogCosh",
            r"\mathrm{HTanh}(k)",
            r"\mathrm{E}\, h \tanh(k h)",
        ),
    ),
    "normalised": (
        Definition(
            "Alignment(kappa)",
            "E (h1 h2 + kappa/D)/sqrt((h1^2 + kappa)(h2^2 + kappa)),  h1, h2 the signal "
            "coordinates of a pair",
            r"\mathrm{Alignment}(\kappa)",
            r"\mathrm{E} \frac{h_1 h_2 + \kappa / D}{\sqrt{(h_1^2 + \kappa)(h_2^2 + \kappa)}}",
        ),
        Definition(
            "Uniformity(kappa)",
            "E log E' exp(h h'/(tau sqrt((h^2 + kappa)(h'^2 + kappa)))),  h, h' independent, "
            "either class",
            r"\mathrm{Uniformity}(\kappa)",
            r"\mathrm{E} \log \mathrm{E}' \exp "
            r"\frac{h h'}{\tau \sqrt{(h^2 + \kappa)(h'^2 + \kappa)}}",
        ),
    ),
    "exact": (
        Definition(
            "Alignment(a)",
            "E cos(z1, z2) over pairs of views z = W_a h",
            r"\mathrm{Alignment}(a)",
            r"\mathrm{E} \cos(z_1, z_2)",
        ),
        Definition(
            "Uniformity(a)",
            "E log E' exp(cos(z, z')/tau) over independent views; given norms and signal "
            "coordinates the angle averages to E exp(k cos) = 0F1(; (d-1)/2; k^2/4)",
            r"\mathrm{Uniformity}(a)",
            r"\mathrm{E} \log \mathrm{E}' \exp \frac{\cos(z, z')}{\tau}",
        ),
    ),
}
