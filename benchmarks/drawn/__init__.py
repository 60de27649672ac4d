"""Pictures that must be left alone, drawn from nothing but numbers; see benchmarks/no_photos.py."""
