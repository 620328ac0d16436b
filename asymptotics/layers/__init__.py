"""Linear layers before and after the head: second moments, optima, flows, reweighting heads."""
