"""Transfer the pilot's tones to the photo's own pixels, at the photo's own size and detail."""
