"""The ways to start training on one machine, by real launchers: jobs of `recorded_steps`, and what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import real_runs as runs
from safetensors.torch import load_file
from torch import Tensor

HERE = Path(__file__).parent
SETTINGS = runs.ROOT / "launch" / "accelerate" / "cpu.yaml"


class Form(NamedTuple):
    """A launcher and its number of processes. Several of one session are started by one process."""

    launcher: str
    world: int

    def __str__(self) -> str:
        return f"{self.launcher}-{self.world}"


PLAIN = Form("python", 1)
GROUP_OF_ONE = Form("torchrun", 1)
# One process comes last: it runs within the notebook's own, after which no others can be started.
NOTEBOOK = [Form("notebook_launcher", world) for world in (4, 3, 2, 1)]
FORMS = [
    PLAIN,
    GROUP_OF_ONE,
    Form("accelerate", 1),
    Form("torchrun", 2),
    Form("accelerate", 2),
    *reversed(NOTEBOOK),
]


def _accelerate(world: int) -> list[str]:
    # The flag --multi_gpu refuses one process, the same setting in a file does not.
    settings = ["--config_file", str(SETTINGS), "--num_processes", str(world), "--main_process_port", "0"]
    return ["-m", "accelerate.commands.launch", *settings]


_COMMANDS = {"python": lambda world: [], "torchrun": runs.torchrun, "accelerate": _accelerate}


class Recording(NamedTuple):
    """What the processes of a scenario left: of each its tensors by name, and its record."""

    tensors: list[dict[str, Tensor]]
    records: list[dict[str, Any]]

    def steps(self) -> list[dict[str, Any]]:
        """The recorded steps, with the micro-batches of all processes in their order."""
        whole = []
        for parts in zip(*(record["steps"] for record in self.records), strict=True):
            dealt = {key: [each for part in parts for each in part[key]] for key in ("rows", "ids")}
            whole.append(parts[0] | dealt)
        return whole

    def under(self, place: str) -> dict[str, Tensor]:
        """Tensors of the first process below a place, such as "0.0/gradient"."""
        head = f"{place}/"
        return {name.removeprefix(head): t for name, t in self.tensors[0].items() if name.startswith(head)}


class Launches:
    """Launches, each of which is made when the first of its recordings is asked for."""

    def __init__(self, folder: Path, config: dict[str, Any], scenarios: dict[Form, dict[str, dict[str, Any]]]) -> None:
        """`scenarios`: the keys that each changes in the config, for each form."""
        self.folder, self.config, self.scenarios = folder, config, scenarios
        self._ended: dict[Form, tuple[int, str]] = {}

    def recording(self, form: Form, scenario: str) -> Recording:
        if form not in self._ended:
            session = NOTEBOOK if form in NOTEBOOK else [form]
            # Where it fails it is not tried again for the next test.
            self._ended |= dict.fromkeys(session, (-1, "did not end in time"))
            self._ended |= dict.fromkeys(session, self._launch(session))
        code, output = self._ended[form]
        assert code == 0, output
        files = sorted((self.folder / str(form) / scenario).glob("*.safetensors"))
        assert len(files) == form.world
        records = [json.loads(file.with_suffix(".json").read_text()) for file in files]
        return Recording([load_file(file) for file in files], records)

    def _launch(self, session: list[Form]) -> tuple[int, str]:
        """The exit code, and what was printed."""
        jobs = [f"{form.world}={self._job(form)}" for form in session]
        if session == NOTEBOOK:
            command = [str(HERE / "notebook_session.py"), *jobs]
        else:
            (form,) = session
            command = [*_COMMANDS[form.launcher](form.world), str(HERE / "recorded_steps.py"), str(self._job(form))]
        environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
        printed = Path(tempfile.mkstemp(dir=self.folder, prefix="printed-")[1])
        with printed.open("w") as out:
            process = subprocess.Popen([sys.executable, *command], env=environment, stdout=out, stderr=out)
        return runs.finish(runs.Processes([process], printed))

    def _job(self, form: Form) -> Path:
        config = self.config | {"run_dir": str(self.folder / str(form))}
        path = self.folder / f"{form}.json"
        path.write_text(json.dumps({"config": config, "scenarios": self.scenarios[form]}))
        return path
