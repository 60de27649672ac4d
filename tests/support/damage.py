"""Damage drawn over photos, and how well it is found."""

import numpy as np


def scratched(clean):
    """Four bright scratches with the grain of paper over a photo, and their mask."""
    height, width = clean.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    for start, slope in ((0.1, 0.3), (0.35, -0.05), (0.6, 0.15), (0.85, -0.2)):
        mask |= np.abs(columns - start * width - slope * rows) < 1.3
    paper = 0.93 + 0.02 * np.random.default_rng(0).standard_normal((height, width, 1))
    return np.where(mask[..., None], paper, clean).astype(np.float32), mask


def iou(found, mask):
    """Intersection over union of two masks (H, W)."""
    return (found & mask).sum() / (found | mask).sum()
