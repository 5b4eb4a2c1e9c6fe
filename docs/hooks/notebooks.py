"""MkDocs hook: a notebook becomes a page, with its text, its code and what it printed when it was saved.

nbconvert's HTML asks other hosts for its scripts, and a page of this site asks none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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
    return "\n\n".join(part for cell in notebook["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    source = _joined(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
    elif cell["cell_type"] == "code" and source.strip():
        yield _fenced(source, "python")
        for output in cell["outputs"]:
            yield from _output(output)


def _output(output: dict[str, Any]) -> Iterator[str]:
    data = output.get("data", {})
    if output["output_type"] == "stream":
        yield _fenced(_joined(output["text"]), "text")
    elif output["output_type"] == "error":
        yield _fenced(f"{output['ename']}: {output['evalue']}", "text")
    elif "image/png" in data:
        yield f"![What the cell above drew](data:image/png;base64,{''.join(_joined(data['image/png']).split())})"
    elif "text/plain" in data:
        yield _fenced(_joined(data["text/plain"]), "text")


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"
