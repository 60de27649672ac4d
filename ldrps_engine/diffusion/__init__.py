"""Diffusion: the reverse step and the proximal step, plan, losses and F-PAM of LD-RPS."""
