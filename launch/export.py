"""Export a finished model: python launch/export.py --run runs/v5 --format onnx [--output FILE] [--push-to-hub REPO]

Pictures of the run's data check it; where they lie now is named as in a config, such as --data.source my_photos.
"""

import sys

from mtl_accel.cli.commands import export

if __name__ == "__main__":
    sys.exit(export.main(None, "export.py", __doc__))
