"""`ldrps immich`: photos of an Immich server, restored and stacked on their originals.

Needs the extra `immich`. The API is that of Immich 3, as its OpenAPI document publishes it.
"""
