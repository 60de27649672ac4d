"""Carry the photo's own pixels over to the pilot, at the photo's own size and detail."""
