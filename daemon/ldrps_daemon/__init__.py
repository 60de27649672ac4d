"""The resident server: a front process without torch, and one worker process per device."""
