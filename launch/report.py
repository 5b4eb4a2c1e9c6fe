"""Put runs side by side on one page: python launch/report.py runs/v4 runs/v5 --output report.html"""

import sys

from mtl_accel.cli.commands import report

if __name__ == "__main__":
    sys.exit(report.main(None, "report.py", __doc__))
