"""What contrastive training makes of a linear projection head: objectives, gains, regimes."""
