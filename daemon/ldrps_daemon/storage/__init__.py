"""Jobs on disk: journal, spool and event log, and the way back from them."""
