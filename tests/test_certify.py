"""Proved digits against mpmath and against tampering."""

import copy
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp

pytest.importorskip("flint")

from flint import arb, ctx

from asymptotics import InvalidInput, NoLimit, accuracy, limit
from asymptotics.certify import (
    NotCertified,
    certified_radius,
    certify,
    certify_gain,
    certify_separability,
    check,
    logistic,
)
from asymptotics.certify.exact import ball, box, decimal, rational, rounded_up, shown
from asymptotics.certify.gain import GainProblem
from asymptotics.certify.krawczyk import Box, proved_root
from asymptotics.certify.logistic import ALL_MOMENTS, logistic_moments
from asymptotics.certify.piecewise import affine_moments
from asymptotics.certify.probe import ProbeProblem
from asymptotics.certify.separability import SeparabilityProblem
from asymptotics.losses import LOSSES
from asymptotics.reference import reference_accuracy
from asymptotics.reference.moments import AFFINE_PIECES, margin_moments
from asymptotics.sweep import make_problem

HERE = Path(__file__).parent
POINT = {"loss": "hinge", "signal": "1.5", "sampling_ratio": "1.5", "ridge": "0.1"}
BY_QUADRATURE = ("logistic", "logistic-mle")
# mpmath's name of a loss, where it differs from the table's
SAME = {"max-margin": "margin-constraint", "min-norm": "label-constraint", "averaging": "linear"}


def rows(name: str) -> list[dict]:
    return json.loads((HERE / "reference" / f"{name}.json").read_text())


def parameters(row: dict) -> dict:
    names = ("loss", "signal", "sampling_ratio", "ridge", "gain", "prior", "intercept")
    given = {name: row[name] for name in names if name in row}
    if "eigenvalues" in row:
        columns = ("eigenvalues", "weights", "squared_means")
        given["spectrum"] = {name: row[name] for name in columns}
    return given


def assert_agrees_with(row: dict) -> None:
    found = certify(digits=24, **parameters(row))
    printed = Fraction(1, 10**25)  # of the stored digits
    assert abs(Fraction(found.value) - Fraction(row["accuracy"])) <= printed + Fraction(
        found.radius
    )


@pytest.mark.parametrize("name", ["ordinary", "spectra", "intercepts", "corners"])
def test_closed_form_losses_agree_with_mpmath_to_25_digits(name):
    chosen = [row for row in rows(name) if row["loss"] not in BY_QUADRATURE]
    for row in chosen[:: 1 if len(chosen) < 30 else 3]:
        assert_agrees_with(row)


@pytest.mark.parametrize(("name", "index"), [("ordinary", 1), ("spectra", 0), ("corners", 5)])
def test_logistic_losses_agree_with_mpmath_to_25_digits(name, index):
    assert_agrees_with([row for row in rows(name) if row["loss"] in BY_QUADRATURE][index])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ordinary", "spectra", "intercepts", "corners"])
def test_every_stored_solution_is_certified(name):
    for row in rows(name):
        assert_agrees_with(row)


@pytest.mark.parametrize("loss", ["squared-hinge", "max-margin"])
def test_forty_digits_agree_with_mpmath(loss):
    given = {"signal": "1.2", "sampling_ratio": "1.7", "gain": "2"}
    given |= {"ridge": "0.03"} if loss == "squared-hinge" else {}
    found = certify(loss=loss, digits=40, **given)
    expected = reference_accuracy(loss, digits=42, **given)
    with mp.workdps(60):
        assert abs(mp.mpf(found.value) - expected.accuracy) < mp.mpf(10) ** -40
        value, radius = found.others["test_error"]
        assert abs(mp.mpf(value) - expected.test_error) < mp.mpf(radius) + mp.mpf(10) ** -42


@pytest.mark.parametrize("digits", [1, 10, 33, 100])
def test_the_radius_is_what_was_asked_for(digits):
    found = certify(digits=digits, **POINT)
    assert 0 < Fraction(found.radius) <= Fraction(10) ** -digits
    finest = certify(digits=120, **POINT)
    distance = abs(Fraction(found.value) - Fraction(finest.value))
    assert distance <= Fraction(found.radius) + Fraction(finest.radius)


def test_text_is_decimal_and_a_float_is_binary():
    text, binary = (certify(**POINT | {"ridge": ridge}) for ridge in ("0.1", 0.1))
    assert 1e-20 < abs(Fraction(text.value) - Fraction(binary.value)) < 1e-16
    stored = Fraction(binary.to_json()["problem"]["ridge"])
    assert stored == Fraction(0.1) != Fraction(1, 10)


def test_ridge_conventions_are_converted_exactly():
    mean = certify(**POINT | {"ridge": "0.02"})
    for convention, ridge in (("scaled-sum", "0.03"), ("sum", "2"), ("C", "0.5")):
        given = POINT | {"ridge": ridge, "ridge_convention": convention, "num_samples": 100}
        assert certify(**given).value == mean.value


def test_a_gain_on_a_spectrum_agrees_with_the_diagonalised_head():
    spectrum = {"eigenvalues": [0.2, 1, 3], "weights": [0.5, 0.5, 0], "squared_means": [0.3, 1, 2]}
    for gain in (0.3, 4.0):
        given = {"loss": "square", "sampling_ratio": 2.0, "ridge": 0.3, "gain": gain}
        exact = certify(spectrum=spectrum, digits=20, **given)
        assert float(accuracy(spectrum=spectrum, **given).accuracy) == pytest.approx(
            float(exact.value), abs=1e-13
        )


@pytest.mark.parametrize("loss", ["square", "max-margin", "averaging", "bayes"])
@pytest.mark.parametrize("lost", [{"signal": 0}, {"signal": 2, "gain": 0}])
def test_without_signal_the_accuracy_is_a_half(loss, lost):
    if loss == "bayes" and lost["signal"]:
        pytest.skip("the Bayes classifier sees the signal before the head")
    ridge = {"ridge": 1} if loss == "square" else {}
    found = certify(loss=loss, sampling_ratio="0.5", **ridge, **lost)
    assert Fraction(found.value) == Fraction(1, 2)
    check(found.to_json())


def test_a_likelihood_next_to_its_threshold_is_proved():
    """Margins of order 1e7, and a sigmoid that takes up 1e-6 of their spread."""
    given = {"loss": "logistic-mle", "signal": 1.0, "sampling_ratio": 3.7000335}
    found = certify(digits=12, **given)
    assert float(accuracy(**given).accuracy) == pytest.approx(float(found.value), abs=1e-12)


def test_a_test_error_of_exp_minus_5e7_is_within_its_radius():
    found = certify(loss="hinge", signal=10_000, sampling_ratio=1, ridge=1, digits=12)
    assert found.others["test_error"][0] == "0." + 15 * "0"
    check(found.to_json())


def test_the_limits_that_do_not_exist_are_refused():
    with pytest.raises(NoLimit, match="separability threshold"):
        certify(loss="max-margin", signal=1, sampling_ratio=4)
    with pytest.raises(NoLimit, match="interpolation threshold"):
        certify(loss="least-squares", signal=1, sampling_ratio="0.9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": "tenth"}, "ridge must be a finite number"),
        ({"ridge": "1e999"}, "ridge must be a finite number"),
        ({"signal": "nan"}, "signal must be a finite number"),
        ({"sampling_ratio": "-1"}, "sampling_ratio must be finite and > 0"),
        ({"digits": 0}, "digits must lie in"),
        ({"signal": None}, "exactly one of signal"),
        ({"loss": "huber"}, "loss must be one of"),
        ({"spectrum": {"eigenvalues": [1]}}, "spectrum needs"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        certify(**POINT | change)


def enclosed(value: arb, number: object) -> bool:
    """Whether the ball meets an mpmath number, itself good to 28 digits."""
    with ctx.workprec(150):
        near = arb(mp.nstr(number, 32))
        return value.overlaps(near + arb(0, abs(near) * arb("1e-28")))


@pytest.mark.parametrize("loss", sorted(AFFINE_PIECES))
@pytest.mark.parametrize("law", [("0.8", "0.4", "2.5"), ("1e-4", "-3", "0.01"), ("1e5", "40", "9")])
def test_closed_forms_enclose_the_means(loss, law):
    with ctx.workprec(300), mp.workdps(90):
        gamma, mean, variance = (ball(Fraction(x)) for x in law)
        found = affine_moments(LOSSES[SAME.get(loss, loss)], gamma, mean, variance.sqrt())
        expected = margin_moments(loss, *(mp.mpf(x) for x in law))
        assert all(
            enclosed(found[k], v) for k, v in {k.lower(): v for k, v in expected.items()}.items()
        )


LAWS = [("1.2", "0.8", "0.5"), ("1e4", "2", "3"), ("1e-3", "-5", "1e-4"), ("7", "30", "400")]


@pytest.fixture(scope="module")
def logistic_means():
    with mp.workdps(32):
        found = [margin_moments("logistic", *(mp.mpf(x) for x in law)) for law in LAWS]
    return [{name.lower(): value for name, value in law.items()} for law in found]


@pytest.mark.parametrize("index", range(len(LAWS)))
@pytest.mark.parametrize("window", [None, (-1, 1), (0, 30), (-30, 0), (-60, -50), (50, 60)])
def test_logistic_enclosures_hold_for_any_window(index, window, logistic_means, monkeypatch):
    if window is not None:
        bad = tuple(arb(end) for end in window)
        monkeypatch.setattr(logistic, "_window", lambda *arguments: bad)
    gamma, mean, variance = (ball(Fraction(x)) for x in LAWS[index])
    found = logistic_moments(gamma, mean, variance.sqrt(), 60, ALL_MOMENTS)
    for name, value in logistic_means[index].items():
        assert enclosed(found[name], value), name
        if window is None:
            assert found[name].rel_accuracy_bits() > 40, name


def test_the_integrals_follow_their_parameters_balls():
    """An enclosure over a ball of parameters holds the value at its ends."""
    wide = logistic_moments(arb(1.2, 1e-6), arb(0.8, 1e-6), arb(0.7, 1e-6), 40, ALL_MOMENTS)
    for end in (-1e-6, 1e-6):
        sharp = logistic_moments(arb(1.2 + end), arb(0.8 - end), arb(0.7 + end), 60, ALL_MOMENTS)
        assert all(wide[name].contains(sharp[name].mid()) for name in ALL_MOMENTS)


PROBLEMS = [
    ProbeProblem.read(**POINT),
    ProbeProblem.read(**POINT | {"loss": "logistic", "gain": 2, "prior": "0.3", "intercept": True}),
    ProbeProblem.read(**POINT | {"loss": "square", "prior": "0.3", "intercept": True, "signal": 0}),
    ProbeProblem.read(loss="max-margin", signal=1, sampling_ratio=1, gain="0.5"),
    SeparabilityProblem.read(signal="1.3"),
    SeparabilityProblem.read(signal="0.7", prior="0.2"),
    GainProblem.read(
        objective="inner-product", signal=2, augmentation="0.7", dimension=20, views=1
    ),
    GainProblem.read(
        objective="cosine-scaled", signal=2, augmentation=1, temperature="0.3", dimension=20
    ),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: getattr(p, "loss", p.quantity))
def test_jacobians_enclose_difference_quotients(problem):
    """Away from the root, central differences at step 1e-12 in 200 bits."""
    with ctx.workprec(200):
        system = problem.system()
        x = [ball(value) + arb("0.05") for value in problem.start()]
        jacobian, step = system.jacobian(x, 60), arb("1e-12")
        for j in range(len(x)):
            ahead, behind = ([*x[:j], x[j] + sign * step, *x[j + 1 :]] for sign in (1, -1))
            pairs = zip(system.residual(ahead, 150), system.residual(behind, 150), strict=True)
            for i, (up, down) in enumerate(pairs):
                slope = (up - down) / (2 * step)
                assert abs(slope - jacobian[i][j]) < arb("1e-9") * (1 + abs(slope)), (i, j)


def test_krawczyk_refuses_a_box_beside_the_root_and_a_box_too_wide():
    found = certify(**POINT)
    with ctx.workprec(200):
        system = found.problem.system()
    where = found.root
    shifted = Box(
        tuple(c + 3 * r for c, r in zip(where.centre, where.radius, strict=True)), where.radius
    )
    wide = Box(where.centre, (Fraction(3),) * 3)
    assert proved_root(system, where, 200, 60)
    for bad in (shifted, wide):
        with pytest.raises(NotCertified):
            proved_root(system, bad, 200, 60)


def test_a_root_off_the_centre_is_still_proved():
    found = certify(**POINT)
    with ctx.workprec(200):
        system = found.problem.system()
    radius = tuple(r * 10**6 for r in found.root.radius)
    centre = tuple(c + r / 3 for c, r in zip(found.root.centre, radius, strict=True))
    root = proved_root(system, Box(centre, radius), 200, 60)
    with ctx.workprec(200):
        for value, c, r in zip(root, found.root.centre, found.root.radius, strict=True):
            assert value.overlaps(box(c, r))


class Parabola:
    """x^2 + shift: a double root at 0, or none."""

    unknowns = ("x",)

    def __init__(self, shift: int) -> None:
        self.shift = shift

    def residual(self, x, bits):
        return [x[0] ** 2 + self.shift]

    def jacobian(self, x, bits):
        return [[2 * x[0]]]


@pytest.mark.parametrize("shift", [0, 1])
def test_krawczyk_proves_no_double_root_and_no_absent_one(shift):
    for centre in (Fraction(0), Fraction(1, 10**9)):
        with pytest.raises(NotCertified):
            proved_root(Parabola(shift), Box((centre,), (Fraction(1, 10**8),)), 200, 60)


@pytest.mark.parametrize("row", [r for r in rows("thresholds") if r["signal"] <= 5][::2])
def test_separability_agrees_with_mpmath_to_25_digits(row):
    prior = row["prior"] if row["intercept"] else None
    found = certify_separability(signal=row["signal"], prior=prior, digits=26)
    expected = Fraction(row["sampling_ratio"])
    assert abs(Fraction(found.value) - expected) <= expected * Fraction(1, 10**24)


def test_separability_without_signal_is_covers_two():
    found = certify_separability(signal=0)
    assert (Fraction(found.value), Fraction(found.radius)) == (2, 0)


def mean_over(function, centre, variance):
    """E function(h), h ~ N(centre, variance), by mpmath's quadrature."""

    def integrand(z):
        return function(centre + mp.sqrt(variance) * z) * mp.npdf(z)

    return mp.quad(integrand, range(-14, 15, 2))


def test_the_inner_product_gain_solves_its_equation():
    """Equation (11) of docs/theory/certificates.md by mpmath at R = 2, D = 2."""
    found = certify_gain(
        objective="inner-product", signal=2, augmentation=1, dimension=20, digits=25
    )
    with mp.workdps(30):

        def slope(x):
            return 12 * x + 2 * mean_over(lambda h: h * mp.tanh(2 * x * h), 2, 2) - 5

        x, close = mp.mpf(found.value) ** 2 / 4, mp.mpf(10) ** -23
        assert slope(x - close) < 0 < slope(x + close)


def test_the_cosine_gain_is_stationary_for_the_loss_of_fixed_t():
    """The loss itself, not its slope, at R = 2, D = 2, t = 4, differenced by mpmath."""
    found = certify_gain(
        objective="cosine-scaled", signal=2, augmentation=1, temperature="0.2", dimension=20
    )
    with mp.workdps(30):
        t, r, d = mp.mpf(4), 2, 2
        c = (2 / t**2) / (1 + mp.sqrt(1 + 4 / t**2))

        def loss(s):
            b = 1 + c * s
            spread = (s**2 * (r**2 + d) / (2 * d * t**2) - c * s * mp.mpf(r) ** 2 / (2 * d)) / b
            rise = mean_over(lambda h: mp.log(mp.cosh(s * r * h / (t * d * b))), r, d)
            pull = s / t * mp.mpf(r) ** 2 * (d - 1) / d**2 + c * s * mp.mpf(r * r + d) / (2 * d)
            return -pull - mp.log(b) / 2 + spread + rise

        s, step = mp.mpf(found.value) ** 2, mp.mpf(10) ** -7
        below, here, above = (loss(s + k * step) for k in (-1, 0, 1))
        assert abs(above - below) / (2 * step) < mp.mpf(10) ** -13
        assert above + below - 2 * here > mp.mpf("1e-3") * step**2


@pytest.mark.parametrize("views", [1, 2])
def test_the_spectral_gain_is_its_closed_form(views):
    found = certify_gain(
        objective="spectral", signal=2, augmentation=1, dimension=20, views=views, digits=20
    )
    noise = 2 if views == 2 else 1.5
    assert float(found.value) == pytest.approx(np.sqrt(5) * noise / (4 + noise), rel=1e-15)


def test_gains_without_a_certificate_or_a_minimum_are_refused():
    given = {"signal": 2, "augmentation": 1, "dimension": 20}
    with pytest.raises(InvalidInput, match="has no certified gain"):
        certify_gain(objective="cosine", temperature=1, **given)
    with pytest.raises(InvalidInput, match="temperature is required"):
        certify_gain(objective="cosine-scaled", **given)
    with pytest.raises(InvalidInput, match="two augmented views only"):
        certify_gain(objective="cosine-scaled", temperature=1, views=1, **given)
    with pytest.raises(NoLimit, match="collapse"):
        certify_gain(objective="cosine-scaled", temperature="0.01", **given)


ISSUED = [
    certify(digits=20, **POINT | {"prior": "0.3", "intercept": True}),
    certify(loss="bayes", signal=1, sampling_ratio=1),
    certify_separability(signal="1"),
    certify_gain(objective="spectral", signal=1, augmentation="0.5", dimension=9),
    certify_gain(objective="inner-product", signal=1, augmentation="0.5", dimension=9),
]


@pytest.mark.parametrize("issued", ISSUED, ids=lambda c: c.problem.quantity)
def test_a_certificate_survives_json(issued):
    content = json.loads(json.dumps(issued.to_json()))
    assert content["certified"] is True
    assert check(content).to_json() == content


def tampered(path: str, value: object) -> dict:
    content = copy.deepcopy(ISSUED[0].to_json())
    *parents, last = path.split(".")
    inner = content
    for name in parents:
        inner = inner[name]
    inner[last] = value(inner.get(last)) if callable(value) else value
    return content


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("accuracy", lambda text: text[:-6] + str((int(text[-6]) + 1) % 10) + text[-5:]),
        ("accuracy", 0.86),
        ("accuracy", "nan"),
        ("radius", "1e-60"),
        ("radius", "-1e-24"),
        ("radius", "1e-3"),
        ("digits", 40),
        ("digits", True),
        ("bits", "many"),
        ("bits", 10**9),
        ("test_error", "0.1"),
        ("test_error_radius", None),
        ("problem.ridge", "0.10000000000000000001"),
        ("problem.ridge", "1"),
        ("problem.ridge", -1),
        ("problem.loss", "squared-hinge"),
        ("problem.colour", "red"),
        ("problem.intercept", False),
        ("root.log_gamma.centre", lambda text: text[:-6] + "999999"),
        ("root.log_gamma.centre", "0.5"),
        ("root.log_gamma.radius", "1e-60"),
        ("root.log_gamma.radius", "0"),
        ("root.log_gamma.radius", "5"),
        ("root", {}),
        ("root.log_gamma", "0.9"),
        ("proved", ["everything"]),
        ("format", "another"),
        ("quantity", "gain"),
        ("certified", False),
        ("comment", "trust me"),
    ],
)
def test_tampering_is_detected(path, value):
    with pytest.raises(NotCertified):
        check(tampered(path, value))


@pytest.mark.parametrize("content", [[], {}, {"format": "asymptotics certificate 1"}, "text"])
def test_what_is_not_a_certificate_is_refused(content):
    with pytest.raises(NotCertified):
        check(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [("bits", lambda bits: bits + 50), ("digits", 10), ("radius", "1.00e-20")],
)
def test_a_changed_statement_that_is_still_true_is_still_proved(path, value):
    assert check(tampered(path, value)).to_json() == tampered(path, value)


@pytest.mark.parametrize("loss", ["square", "hinge", "squared-hinge", "logistic"])
def test_float_results_lie_within_their_proved_radius(loss):
    given = {"loss": loss, "signal": 1.5, "sampling_ratio": 1.5, "ridge": 0.1, "gain": 2.0}
    found = limit(make_problem(**given))
    radius, proof = certified_radius(float(found.accuracy), **given)
    assert abs(Fraction(float(found.accuracy)) - Fraction(proof.value)) <= Fraction(radius)
    assert radius < 1e-14


@pytest.mark.parametrize("text", ["0.1", "-2.50", "1e-7", "12345.678", "1/3", "3e5"])
def test_numbers_are_shown_exactly(text):
    assert Fraction(shown(rational("x", text))) == Fraction(text)


def test_rounding_of_a_radius_is_upwards_and_tight():
    for radius in (Fraction(1, 3), Fraction(999999, 10**60), Fraction(7) * 10**5, Fraction(1, 10)):
        assert radius <= Fraction(rounded_up(radius)) <= radius * Fraction(1011, 1000)
    assert rounded_up(Fraction(0)) == "0"
    assert decimal(Fraction(-1, 3), 4) == "-0.3333"


def test_without_python_flint_one_line_names_the_extra():
    code = (
        "import sys; sys.modules['flint'] = None\n"
        "from cli.main import run\n"
        "sys.exit(run(['certify', '--loss', 'bayes', '--signal', '1', '--sampling-ratio', '1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE.parent
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'contrastive-asymptotics[certify]'" in done.stderr
