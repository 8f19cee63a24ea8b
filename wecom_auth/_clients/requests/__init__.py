"""Drive requests (and niquests): adapter, auth, and what looks into an answer."""
