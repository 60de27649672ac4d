"""State that outlives the watcher: ledger, lock and folder."""
