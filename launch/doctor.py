"""Look a data set over before training: python launch/doctor.py --config configs/v5.json [--data.source my_photos]

Without --config and --run it guesses a config, which --write keeps: --data.source my_photos --write config.json.
It trains nothing. Exit code 0: nothing is wrong; 1: warnings; 2: errors that keep a run from starting.
"""

import sys

from mtl_accel.cli.commands import doctor

if __name__ == "__main__":
    sys.exit(doctor.main(None, "doctor.py", __doc__))
