"""Weights of a backbone by name: real downloads from a local HTTP server, the cache, and what can go wrong."""

from __future__ import annotations

import hashlib
import pickle
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum
from torchvision.models._api import Weights

from mtl_accel.core.errors import UserError
from mtl_accel.models import weight_files as loader
from mtl_accel.models.weights import load_backbone_weights


class Backbone(nn.Conv2d):
    """As small as can be."""

    def __init__(self) -> None:
        super().__init__(3, 2, 1)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture
def state() -> dict[str, Tensor]:
    return Backbone().state_dict()


class Server(ThreadingHTTPServer):
    """Serves one folder, slowly enough for two clients to meet, and keeps the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))

    def publish(self, content: bytes, digest: str) -> type[WeightsEnum]:
        name = f"backbone-{digest[:8]}.pth"
        (self.folder / name).write_bytes(content)
        return enum_of(f"http://127.0.0.1:{self.server_port}/{name}")


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        time.sleep(0.1)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def enum_of(url: str) -> type[WeightsEnum]:
    class Backbone_Weights(WeightsEnum):  # noqa: N801 (torchvision's way to name them)
        IMAGENET1K_V1 = Weights(url=url, transforms=nn.Identity, meta={})

    return Backbone_Weights


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def server(tmp_path: Path, cache: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    with Server(folder) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def content(state: dict[str, Tensor], tmp_path: Path) -> bytes:
    torch.save(state, tmp_path / "published.pth")
    return (tmp_path / "published.pth").read_bytes()


def test_a_name_is_downloaded_once_and_then_read_from_the_cache(
    server: Server, cache: Path, content: bytes, state: dict[str, Tensor]
) -> None:
    available = server.publish(content, hashlib.sha256(content).hexdigest())
    for _ in range(2):
        backbone = Backbone()
        load_backbone_weights(backbone, "IMAGENET1K_V1", available)
        assert same(backbone.state_dict(), state)
    assert len(server.asked) == 1
    assert [path.read_bytes() for path in cache.glob("*.pth")] == [content]


def test_of_many_at_once_one_downloads_and_all_load(
    server: Server, cache: Path, content: bytes, state: dict[str, Tensor]
) -> None:
    available = server.publish(content, hashlib.sha256(content).hexdigest())
    backbones = [Backbone() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda backbone: load_backbone_weights(backbone, "IMAGENET1K_V1", available), backbones))
    assert all(same(backbone.state_dict(), state) for backbone in backbones)
    assert len(server.asked) == 1


def test_a_download_with_a_wrong_hash_is_refused_and_not_kept(server: Server, cache: Path, content: bytes) -> None:
    available = server.publish(content, "00000000")
    with pytest.raises(UserError, match=r"cannot fetch http://127.* invalid hash value \(expected \"00000000\""):
        load_backbone_weights(Backbone(), "IMAGENET1K_V1", available)
    assert not list(cache.glob("*.pth*partial")) and not list(cache.glob("*.pth"))


def test_a_wrong_file_in_the_cache_is_refused_and_named_for_deletion(
    server: Server, cache: Path, content: bytes, state: dict[str, Tensor]
) -> None:
    available = server.publish(content, hashlib.sha256(content).hexdigest())
    wrong = cache / available["IMAGENET1K_V1"].url.rpartition("/")[2]
    cache.mkdir(parents=True)
    wrong.write_bytes(content + b" ")
    with pytest.raises(UserError) as caught:
        load_backbone_weights(Backbone(), "IMAGENET1K_V1", available)
    assert f"delete {wrong} " in str(caught.value)
    assert server.asked == []
    wrong.unlink()
    backbone = Backbone()
    load_backbone_weights(backbone, "IMAGENET1K_V1", available)
    assert same(backbone.state_dict(), state)


def test_a_hostile_file_with_the_right_hash_is_not_run_either(server: Server, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile = pickle.dumps({"conv.weight": Payload(trace)}, protocol=2)
    available = server.publish(hostile, hashlib.sha256(hostile).hexdigest())
    with pytest.raises(UserError, match="UnpicklingError"):
        load_backbone_weights(Backbone(), "IMAGENET1K_V1", available)
    assert not trace.exists()


def assert_names_the_ways_out(error: UserError, url: str, cache: Path) -> None:
    assert "\n" not in str(error)
    for part in (url, str(cache / url.rpartition("/")[2]), ".safetensors file", "null"):
        assert part in str(error)


def test_a_closed_port_and_an_absent_file_end_in_one_line_with_the_ways_out(server: Server, cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}/backbone-01234567.pth",
        f"http://127.0.0.1:{server.server_port}/absent-01234567.pth",
    ):
        with pytest.raises(UserError) as caught:
            load_backbone_weights(Backbone(), "IMAGENET1K_V1", enum_of(url))
        assert_names_the_ways_out(caught.value, url, cache)


def test_a_silent_server_does_not_hold_the_run_for_ever(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/backbone-01234567.pth"
        with pytest.raises(UserError, match="timed out") as caught:
            load_backbone_weights(Backbone(), "IMAGENET1K_V1", enum_of(url))
    assert_names_the_ways_out(caught.value, url, cache)
    assert socket.getdefaulttimeout() is None


def test_a_cache_that_cannot_be_written_is_reported_like_an_absent_network(cache: Path) -> None:
    cache.parent.parent.write_text("a file where the folder should be")
    url = "http://127.0.0.1:9/backbone-01234567.pth"
    with pytest.raises(UserError) as caught:
        load_backbone_weights(Backbone(), "IMAGENET1K_V1", enum_of(url))
    assert_names_the_ways_out(caught.value, url, cache)
