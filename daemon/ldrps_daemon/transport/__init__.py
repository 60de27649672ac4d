"""The wire's side of the daemon: who may connect and call, and what comes in."""
