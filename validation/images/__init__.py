"""A small contrastively trained network on real images, probed before and after its head."""
