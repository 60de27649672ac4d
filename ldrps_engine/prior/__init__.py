"""Latent diffusion models as priors of good photos, the bundled one among them."""
