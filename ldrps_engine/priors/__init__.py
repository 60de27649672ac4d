"""Diffusion priors of good photos: published models, the bundled one, the expert of scenes."""
