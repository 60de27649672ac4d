"""The scene in at most 20 words: the user's, or the bundled tagger's."""
