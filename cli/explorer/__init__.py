"""The page of `asymptotics explore`: its state, the engine calls it stands for, its server."""
