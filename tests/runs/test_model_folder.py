"""Where a finished model is looked for; of a model on the Hub two files are fetched and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants, file_download

from mtl_accel.core.errors import UserError
from mtl_accel.runs import model_folder

SHA = "0123456789abcdef0123456789abcdef01234567"
NOWHERE = "http://127.0.0.1:9"  # nothing answers there
FILES = {"model.safetensors": b"weights", "config.json": b"{}", "modeling.py": b"1/0", "model.bin": b"pickle"}


class Hub(ThreadingHTTPServer):
    """Answers as the Hub does for the one model owner/name."""

    def __init__(self) -> None:
        self.files = dict(FILES)
        self.asked: list[str] = []
        self.address = ""
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        name = path.removeprefix(f"/owner/name/resolve/{SHA}/")
        if path.startswith("/api/models/owner/name/revision/"):
            siblings = [{"rfilename": file} for file in self.server.files]
            self._send(json.dumps({"id": "owner/name", "sha": SHA, "siblings": siblings}).encode())
        elif path.startswith(f"/api/models/owner/name/tree/{SHA}"):
            tree = [{"type": "file", "path": f, "size": len(c), "oid": f"o-{f}"} for f, c in self.server.files.items()]
            self._send(json.dumps(tree).encode())
        elif name in self.server.files:
            self._send(self.server.files[name], {"ETag": f'"{name}-1"', "X-Repo-Commit": SHA})
        else:
            self._send(b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"}, 404)

    def _send(self, content: bytes, headers: dict[str, str] | None = None, code: int = 200) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def answer_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    changed = address + template[template.index("/{repo_id}") :]
    for module in (constants, file_download):  # huggingface_hub 0.34 copied it into the second
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", changed, raising=False)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    with Hub() as server:
        server.address = f"http://127.0.0.1:{server.server_port}"
        answer_at(server.address, monkeypatch)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def refused(*arguments: str) -> str:
    with pytest.raises(UserError) as caught:
        model_folder.find_model_folder(*arguments)
    (problem,) = caught.value.problems
    return problem


def test_two_files_of_a_model_on_the_hub_are_fetched_and_no_code_and_no_pickle(hub, tmp_path):
    folder = model_folder.find_model_folder("owner/name")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {n: FILES[n] for n in model_folder.FILES}
    assert [path for path in hub.asked if "modeling" in path or ".bin" in path] == []
    assert folder.is_relative_to(tmp_path / "cache")


def test_a_model_that_was_fetched_before_is_found_without_the_network(hub, monkeypatch):
    folder = model_folder.find_model_folder("owner/name", SHA)
    hub.asked.clear()
    answer_at(NOWHERE, monkeypatch)
    assert model_folder.find_model_folder("owner/name", SHA) == folder and hub.asked == []


def test_a_model_that_is_not_there_and_a_hub_out_of_reach_are_told(hub, monkeypatch):
    problem = refused("owner/other")
    assert problem.startswith("owner/other: neither a folder that exists nor a model") and "404" in problem
    answer_at(NOWHERE, monkeypatch)
    problem = refused("owner/name")
    assert problem.startswith("owner/name: neither a folder") and "connect to the network" in problem


@pytest.mark.parametrize("missing", model_folder.FILES)
def test_a_model_of_another_library_is_refused_by_what_it_lacks(hub, missing):
    del hub.files[missing]
    problem = refused("owner/name")
    assert f"has no {missing}" in problem and "none that a run of mtl_accel wrote" in problem


def test_a_folder_goes_before_a_model_of_its_name(hub, tmp_path):
    run = Path("owner/name")
    (run / "model").mkdir(parents=True)
    assert "neither a run folder" in refused("owner/name")
    for folder in (run / "model", run):
        (folder / "model.safetensors").touch()
        assert model_folder.find_model_folder("owner/name") == model_folder.find_model_folder(run) == folder
    assert hub.asked == []


@pytest.mark.parametrize("path", ["nothing", "a/b/c", "/owner/name", "../name", "https://huggingface.co/owner/name"])
def test_what_is_neither_a_folder_nor_an_id_is_not_asked_for(hub, path):
    assert "reads owner/name" in refused(path) and hub.asked == []
