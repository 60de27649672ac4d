"""Analysis: what is wrong with a photo, how much and where, found blind. Never imports torch."""
