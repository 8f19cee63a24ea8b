"""The driver for urllib: a handler that authorises what an opener sends."""
