"""Upload to the Hub: the calls that huggingface_hub makes, answered by a server of our own; and the refusals."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from mtl_accel.core.errors import UserError
from mtl_accel.exporting import hub

TOKEN = "hf_token_of_the_test"


class FakeHub(ThreadingHTTPServer):
    """What of the Hub an upload needs: a repository is made, every file is asked for in the commit itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.created: list[dict] = []
        self.files: dict[str, bytes] = {}
        self.address = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_GET(self) -> None:
        # huggingface_hub 0.34 asks this beforehand, later ones do not.
        if self.path == "/api/models/owner/shapes/revision/main?expand=xetEnabled":
            self._answer({"id": "owner/shapes", "xetEnabled": False})
        else:
            self._answer({"error": f"unexpected: {self.path}"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, 401)
        elif self.path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            self._answer({"url": f"{self.server.address}/owner/shapes"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif self.path == "/api/models/owner/shapes/preupload/main":
            asked = [file["path"] for file in json.loads(body)["files"]]
            self._answer({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in asked]})
        elif self.path == "/api/models/owner/shapes/commit/main":
            for row in map(json.loads, body.splitlines()):
                if row["key"] == "file":
                    self.server.files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
            url = f"{self.server.address}/owner/shapes/commit/0123456789abcdef0123456789abcdef01234567"
            self._answer({"commitOid": "0123456789abcdef0123456789abcdef01234567", "commitUrl": url, "hookOutput": ""})
        else:
            self._answer({"error": f"unexpected: {self.path}"}, 404)

    def _answer(self, value: dict, code: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch):
    with FakeHub() as fake:
        thread = threading.Thread(target=fake.serve_forever)
        thread.start()
        monkeypatch.setattr(constants, "ENDPOINT", fake.address)
        yield fake
        fake.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "README.md").write_text("---\ntags: []\n---\n")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)))
    return tmp_path


def test_every_file_of_the_folder_arrives_in_a_repository_that_is_made(server, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    expected = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / ".tmp-model.onnx-1-new").write_bytes(b"half")
    url = hub.push(folder, "owner/shapes", private=True)
    assert url.startswith(f"{server.address}/owner/shapes/commit/")
    (created,) = server.created
    assert (created["organization"], created["name"]) == ("owner", "shapes")
    assert created.get("private") is True or created.get("visibility") == "private"
    assert server.files == expected


@pytest.mark.parametrize("token", ["hf_wrong", None])
def test_a_token_that_is_missing_or_wrong_is_reported_with_the_fix(server, folder, monkeypatch, tmp_path, token):
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError) as caught:
        hub.push(folder, "owner/shapes")
    (problem,) = caught.value.problems
    assert problem.startswith(f"--push-to-hub: owner/shapes could not be written at {server.address}: ")
    assert "hf auth login" in problem and "is complete here" in problem
    assert not server.created and not server.files


def test_a_hub_that_is_not_there_is_reported(folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the port of the discard service: closed
    with pytest.raises(UserError, match=r"could not be written at http://127.0.0.1:9: .*see that there is a network"):
        hub.push(folder, "owner/shapes")


def test_offline_is_reported(server, folder, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        hub.push(folder, "owner/shapes")
    assert not server.created


def test_names_and_outputs_that_cannot_be_uploaded_are_reported_before_the_work(tmp_path):
    hub.require_uploadable("owner/shapes", None)
    with pytest.raises(UserError) as caught:
        hub.require_uploadable("owner/a--b/c", tmp_path / "model.onnx")
    name, output = caught.value.problems
    assert name.startswith("--push-to-hub: ") and output.endswith("leave --output out")
