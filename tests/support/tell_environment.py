"""Decoder that a photo has taken over: tells the names of everything in its environment."""

import os

if __name__ == "__main__":
    print(*os.environ, sep="\n")
