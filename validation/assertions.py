"""The assertion that theory and simulation agree, for anyone's test suite."""

from __future__ import annotations

from typing import Any

from validation.compare import AGREES, Comparison

_SHOWN = ("theory", "mean", "standard_error", "z", "adjusted_p_value", "status")


def assert_agreement(comparison: Comparison) -> None:
    """AssertionError, with the rows that do not agree, unless ``comparison.agreement`` is True.

    A comparison that decides nothing (too noisy, no fit) fails too. In a test:

        def test_my_formula():
            assert_agreement(validate_probe(loss="hinge", signal=1, sampling_ratio=2, ridge=0.1))
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    if comparison.agreement is not True:
        bad = [_line(row) for row in comparison.rows() if row["status"] != AGREES]
        raise AssertionError("\n".join([str(comparison), *bad]))


def _line(row: dict[str, Any]) -> str:
    end = list(row).index("quantity")
    point = ", ".join(f"{name}={row[name]:g}" for name in list(row)[:end])
    values = ", ".join(
        f"{name} {value:.6g}" if isinstance(value := row[name], float) else f"{name} {value}"
        for name in _SHOWN
    )
    return f"  {row['quantity']} at {point}: {values}"
