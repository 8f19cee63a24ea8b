"""Hold one driver for each HTTP client, and the decorator."""
