"""`ldrps web`: a page of this machine alone, for photos without GIMP. Needs the extra `web`.

The browser is given pictures and sentences; photos are read, restored and written here.
"""
