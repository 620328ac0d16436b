"""Every backend computes the same numbers; torch is optional."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from asymptotics.contrastive.views import gaussian_noise
from asymptotics.errors import InvalidInput
from validation.backends import NumpyBackend, find_backend
from validation.training import (
    Cosine,
    GaussianViews,
    InnerProduct,
    Spectral,
    Stopping,
    Trainer,
    train,
)

OBJECTIVES = [Cosine(0.4), InnerProduct(0.7), Spectral()]
ROWS = [slice(0, 3), slice(3, 8), slice(8, 10)]
LAW = GaussianViews(gaussian_noise(2.0, 1.0), 6)
RULE = Stopping(tolerance=1e-6, max_pairs=2**11)  # runs to its budget


def torch_backend(**options):
    pytest.importorskip("torch", reason="torch is not installed")
    from validation.backends.torch_backend import TorchBackend

    return TorchBackend(**options)


def cuda_backend():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch_backend(device="cuda")


@pytest.fixture(params=["torch", "torch closed form", "cuda"])
def other(request):
    """Every backend in double precision but numpy's, skipped where it is missing."""
    if request.param == "cuda":
        return cuda_backend()
    return torch_backend(autograd=request.param == "torch")


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_gradients_agree_with_the_closed_form_of_numpy(other, objective):
    z = np.random.default_rng(0).standard_normal((2, 10, 4))
    for rows in ROWS:
        loss, gradient = NumpyBackend().gradient(objective, z, rows)
        found_loss, found = other.gradient(objective, other.send(z), rows)
        np.testing.assert_allclose(other.fetch(found_loss), loss, rtol=1e-13)
        np.testing.assert_allclose(other.fetch(found), gradient, atol=1e-14)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_autograd_through_the_head_is_the_gradient_that_training_uses(objective):
    backend = torch_backend()
    rng = np.random.default_rng(1)
    views, weights = rng.standard_normal((1, 10, 5)), rng.standard_normal((1, 4, 5))
    head = backend.send(weights).requires_grad_(True)
    embedded = backend.send(views) @ head.swapaxes(1, 2)
    objective.loss(backend.xp, embedded, slice(0, 10)).sum().backward()
    z = views @ weights.swapaxes(1, 2)
    slope = NumpyBackend().gradient(objective, z, slice(0, 10))[1]
    np.testing.assert_allclose(head.grad.numpy(), slope.swapaxes(1, 2) @ views, atol=1e-13)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_training_agrees_with_numpy_element_by_element(other, objective):
    runs = [
        train(
            Trainer(objective, LAW, 16, backend=backend),
            np.random.default_rng(2),
            replicas=2,
            stopping=RULE,
        )
        for backend in (NumpyBackend(), other)
    ]
    np.testing.assert_allclose(runs[1].weights, runs[0].weights, atol=1e-9)
    np.testing.assert_allclose(runs[1].trajectory.log_gain, runs[0].trajectory.log_gain, atol=1e-9)


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_single_precision_errs_by_less_than_the_noise_it_is_judged_against(name):
    single = NumpyBackend("float32") if name == "numpy" else torch_backend(precision="float32")
    runs = [
        train(
            Trainer(Cosine(1.0), LAW, 32, backend=backend),
            np.random.default_rng(3),
            replicas=4,
            stopping=RULE,
        )
        for backend in (NumpyBackend(), single)
    ]
    error = np.abs(runs[1].replicas - runs[0].replicas).max()
    assert 1e-9 < error < 2e-4  # measured; it is single precision, and it is that good
    assert error < 0.05 * runs[0].standard_error


def test_torch_is_imported_by_its_backend_alone():
    code = "import sys, validation.training, validation.backends; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_backend_is_found_by_name_and_precision():
    assert find_backend("numpy", "float32") == NumpyBackend("float32")
    with pytest.raises(InvalidInput, match="numpy, torch"):
        find_backend("jax")
    with pytest.raises(InvalidInput, match="float64, float32"):
        find_backend("numpy", "float16")


def test_a_missing_torch_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "validation.backends.torch_backend", raising=False)
    with pytest.raises(InvalidInput, match="extra 'torch'"):
        find_backend("torch")


def test_a_missing_device_is_named():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(InvalidInput, match="device 'cuda' is not available"):
        torch_backend(device="cuda")
