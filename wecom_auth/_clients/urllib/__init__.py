"""Drive urllib: a handler authorises what an opener sends."""
