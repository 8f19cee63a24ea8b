"""What a user might have: a sitecustomize of their own. This one is the detour of the tests."""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from detour import detour

detour(os.environ["FAKE_WECOM"])
