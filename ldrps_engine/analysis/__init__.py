"""What is wrong with a photo, measured blind from its pixels. No torch."""
