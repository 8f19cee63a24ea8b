"""The flow of one call and its retry policy. Knows no client."""
