"""Contrastive training from finitely many unlabelled pairs, N/p -> `pretraining_ratio`.

The spectral loss on sample second moments, Gaussian augmentation (docs/theory/pretraining.md).
"""
