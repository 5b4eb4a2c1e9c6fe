"""The build of the package, which setup.cfg describes: wheels hold the folder configs/ as well."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Builds the package with the configs inside it; an editable install finds them beside it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("configs", Path(self.build_lib) / "mtl_accel" / "configs", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithConfigs})
