"""The scene in at most 20 words: the user's, a multimodal model's, or the bundled tagger's."""
