"""How the bundled model is made: from folders of photos to weights, by one command each."""
