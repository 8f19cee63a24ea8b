"""Drive httpx and httpx2, sync and async: transport, auth, and what they share."""
