"""MkDocs hook: a notebook becomes a page with its text and its code. Notebooks are committed without outputs.

nbconvert's HTML asks other hosts for its scripts, and a page of this site asks none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


class Notebook(File):
    """A page whose source is a notebook."""

    def is_documentation_page(self) -> bool:
        return True


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
        page = Notebook(file.src_uri, config.docs_dir, config.site_dir, config.use_directory_urls)
        page.content_string = markdown(json.loads(Path(config.docs_dir, file.src_uri).read_text(encoding="utf-8")))
        files.append(page)
    return files


def markdown(notebook: dict[str, Any]) -> str:
    """The cells of a notebook in version 4 of the format, as Markdown."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return "\n\n".join(f"````python\n{text}\n````" if kind == "code" else text for kind, text in cells) + "\n"
