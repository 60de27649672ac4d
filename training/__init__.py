"""Making of the bundled model: from folders of photos to weights, by one command each."""
