"""Text and bytes of a call: scope, query, verdict, redaction. Knows no client and no source."""
