"""The equations derived in sympy from one potential; imported by nothing else at import time."""
