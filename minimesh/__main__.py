"""`python -m minimesh` is `minimesh`."""

import sys

from minimesh.cli import main

if __name__ == "__main__":
    sys.exit(main())
