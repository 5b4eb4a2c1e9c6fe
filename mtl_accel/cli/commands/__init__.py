"""One module for each command. The first line of its docstring says what it does, up to the colon.

Its `main` takes the arguments, the name of the program and the description in --help.
"""

from types import ModuleType

from . import bench, compare, config, doctor, evaluate, export, find_lr, init, predict, report, sweep, train

# In the order in which a user needs them.
COMMANDS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2].replace("_", "-"): module
    for module in (init, doctor, find_lr, train, evaluate, predict, compare, report, sweep, export, bench, config)
}
