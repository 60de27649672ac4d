"""`ldrps web`: a page for this machine alone, for those without GIMP. Needs the extra `web`.

The browser is given pictures and sentences; photos are read, restored and written here.
"""
