"""Credentials: what is exchanged for a token, and how; the token itself."""
