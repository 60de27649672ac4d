"""Stands in for a decoder that a photo has taken over: tells the names of all it was told."""

import os

if __name__ == "__main__":
    print(*os.environ, sep="\n")
