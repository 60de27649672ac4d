"""What the scene is: a semantic encoder that sees a photo without its exposure, haze and colour."""
