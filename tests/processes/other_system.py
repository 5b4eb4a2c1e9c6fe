"""A process as on Windows: trains, stops, resumes, evaluates and predicts a config.

Each of the loader's workers is such a process and takes seconds to start, so they load for two of the five.
"""

import multiprocessing
import signal
import sys
from pathlib import Path
from typing import Any

import missing_posix

missing_posix.pretend_windows()  # in each worker, too: it imports this file

import mtl_accel  # noqa: E402
from mtl_accel import config as config_module  # noqa: E402
from mtl_accel.training import engine  # noqa: E402

missing_posix.tell_modules_of("mtl_accel")


def main(path: str) -> None:
    multiprocessing.set_start_method("spawn")
    config = config_module.validate(config_module.read_json(Path(path)), path)
    alone = config.model_copy(update={"data": config.data.model_copy(update={"num_workers": 0})})
    assert mtl_accel.train(config, debugging="batches").status == "finished"
    run_step, steps = engine.forward_backward, []

    def step_and_stop(*arguments: Any) -> Any:
        steps.append(1)
        if len(steps) == 2:
            signal.raise_signal(signal.SIGTERM)
        return run_step(*arguments)

    engine.forward_backward = step_and_stop
    assert mtl_accel.train(alone).status == "stopped"
    assert mtl_accel.train(alone).status == "finished"
    assert mtl_accel.evaluate(config.run_dir, config=alone)["split"] == "validation"
    assert mtl_accel.predict(config.run_dir, Path(config.run_dir).parent / "predictions", split="validation")


if __name__ == "__main__":
    main(sys.argv[1])
