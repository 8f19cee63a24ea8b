"""One driver for each HTTP client, and the decorator."""
