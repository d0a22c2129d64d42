"""How gRPC names its services and their methods."""

import re

SERVICE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
LONGEST_NAME = 127
