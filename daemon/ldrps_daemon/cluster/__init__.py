"""Workers on the nodes of a Ray cluster. Nothing here is imported where the pool is local."""
