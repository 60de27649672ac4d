"""Diffusion priors that answer at their own scale: the scene expert looks at the whole photo."""
