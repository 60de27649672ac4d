"""EXIF, IPTC, XMP and comments: found in files, and put into them."""
