"""Weights, and the catalogue of models: known, installed, fetched from a hub. Never torch."""
