"""One valid token for each credential: cache, single flight, refresh, what a process holds."""
