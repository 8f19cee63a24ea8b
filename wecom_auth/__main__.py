"""`python -m wecom_auth` is `wecom-auth`."""

import sys

from .cli import main

sys.exit(main())
