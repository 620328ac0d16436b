"""Published results, remade one by one: theory, simulation and the published numbers together."""
