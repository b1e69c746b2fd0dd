"""``fxlens serve`` as a process: over real HTTP, until it is told to stop."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from server_process import Server, served
from tiny_serving import noise, wav


def posted(server: Server, path: str, name: str, data: bytes, field: str = "file") -> tuple[int, dict[str, Any]]:
    """Send one file the way any program would, all of it before reading the answer."""
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=300)
    body, kind = head + data + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}
    with closing(connection):
        connection.request("POST", path, body, kind)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def begin_upload(server: Server, declared: int, sent: bytes) -> socket.socket:
    """Begin a request and leave it in the middle."""
    host, port = server.address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST /v1/embed HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {declared}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    connection.sendall(head.encode() + part.encode() + sent)
    return connection


def until(condition: Any, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_day_in_the_life(tmp_path: Path, model: Path) -> None:
    options = ("-m", str(model), "--no-page", "--max-upload-mb", "1", "--max-minutes", "1", "--jobs", "2")
    with served(tmp_path / "serve", *options) as server:
        server.wait_until_ready()
        users: dict[int, tuple[int, dict[str, Any]]] = {}

        def use(user: int) -> None:
            users[user] = posted(server, "/v1/embed", f"user {user}.wav", wav(noise(2.0, user)))

        threads = [threading.Thread(target=use, args=(user,)) for user in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(status == 200 for status, _ in users.values())
        names = [users[user][1]["recordings"][0]["name"] for user in range(2)]
        vectors = [users[user][1]["recordings"][0]["embeddings"][0]["vector"] for user in range(2)]
        assert names == ["user 0.wav", "user 1.wav"] and vectors[0] != vectors[1]

        status, answer = posted(server, "/v1/embed", "large.wav", bytes(5_000_000))  # the answer arrives nevertheless
        assert status == 413 and "1 MB" in answer["error"]["message"]
        status, answer = posted(server, "/v1/embed", "huge.wav", bytes(12_000_000))  # refused by its declared size
        assert status == 413 and answer["error"]["type"] == "TooLargeError"

        aborted = begin_upload(server, 900_000, bytes(200_000))
        assert until(server.left), "the upload is written while it arrives"
        aborted.close()
        assert until(lambda: not server.left()), "and deleted when its sender goes away"

        with begin_upload(server, 900_000, bytes(200_000)):
            assert until(server.left)
            assert server.stop(signal.SIGTERM) == 0
        assert server.left() == [], "nothing outlives the server"
        assert "stopped; uploads are deleted" in server.log.read_text()
        assert server.outside() == []


@pytest.mark.slow
def test_ctrl_c_stops_a_match_and_a_taken_port_is_told(tmp_path: Path, model: Path) -> None:
    with served(tmp_path / "first", "-m", str(model), "--no-page") as server:
        server.wait_until_ready()
        port = server.address.rpartition(":")[2]
        with served(tmp_path / "second", "-m", str(model), "--no-page", "--port", port) as second:
            assert second.process.wait(timeout=300.0) == 2
            assert f"port {port} of 127.0.0.1 is taken" in second.log.read_text()
        assert server.stop(signal.SIGINT) == 0
        assert server.left() == []


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--index", "/nowhere"), 1, "there is no index"),
        (("--max-minutes", "0"), 2, "max_minutes must be above 0"),
        (("-m", "/nowhere/model"), 4, "No model at"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_served_is_told(tmp_path: Path, options: tuple[str, ...], code: int, words: str) -> None:
    with served(tmp_path / "serve", "--no-page", *options) as server:
        assert server.process.wait(timeout=300.0) == code
        assert words in server.log.read_text()


@pytest.mark.slow
def test_listening_beyond_this_machine_is_told_loudly(tmp_path: Path, model: Path) -> None:
    with served(tmp_path / "serve", "-m", str(model), "--no-page", "--host", "0.0.0.0") as server:
        server.wait_until_ready()
        assert "WARNING: at 0.0.0.0 everybody" in server.log.read_text()
