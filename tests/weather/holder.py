"""Takes a store's lock and holds it until it is killed; run as a script: directory, key."""

import sys
import time

from wecom_auth import FileStore

if __name__ == "__main__":
    with FileStore(sys.argv[1]).lock(sys.argv[2], 10) as held:
        print("held" if held else "not held", flush=True)
        time.sleep(60)
