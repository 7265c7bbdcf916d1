"""How the console is served: with what policy, to whom, and nothing beside it."""

import gzip
import re

import pytest
from house import Server
from visit import City


@pytest.fixture
def server(city: City) -> Server:
    return city.server


def assets(server: Server) -> list[str]:
    page = server.request("GET", "/").body.decode()
    return re.findall(r'(?:href|src)="(/[^"]+)"', page)


def test_the_page_has_a_policy_that_lets_nothing_in(server: Server) -> None:
    answer = server.request("GET", "/")
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "trusted-types 'none'"):
        assert part in policy
    assert "unsafe" not in policy and "*" not in policy and "data:" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-cache"


def test_what_the_page_names_is_there_may_be_kept_and_is_small_on_the_wire(server: Server) -> None:
    paths = assets(server)
    assert len(paths) > 30
    for path in paths:
        answer = server.request("GET", path)
        assert answer.status == 200, path
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        packed = server.request("GET", path, headers={"Accept-Encoding": "gzip"})
        if path.endswith(".woff2"):
            assert "content-encoding" not in packed.headers
        else:
            assert packed.headers["content-encoding"] == "gzip"
            assert gzip.decompress(packed.body) == answer.body
        same = server.request("GET", path, headers={"If-None-Match": answer.headers["etag"]})
        assert (same.status, same.body) == (304, b"")


def test_a_page_of_an_older_program_finds_its_files_and_keeps_none(server: Server) -> None:
    path = next(path for path in assets(server) if path.endswith("/main.js"))
    older = re.sub(r"/console/[0-9a-f]+/", "/console/000000000000000000000000/", path)
    answer = server.request("GET", older)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-cache"


def test_nothing_else_is_served(server: Server) -> None:
    base = next(path for path in assets(server) if path.endswith("/main.js")).removesuffix("main.js")
    names = [
        "",
        "package.json",
        "checks/size.mjs",
        "../Cargo.toml",
        "..%2fCargo.toml",
        "%2e%2e/Cargo.toml",
        "//etc/passwd",
    ]
    for name in [*names, "index.html/", "main.js%00.png", "vendor", "MAIN.JS", "a" * 9_000]:
        request = f"GET {base}{name} HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\n\r\n"
        status = server.raw(request.encode()).split(b" ", 2)[1]
        assert status in (b"404", b"400", b"414"), (name, status)
    assert server.request("POST", "/").status == 405
    assert server.request("GET", "/", headers={"Host": "evil.example"}).status == 403
    assert server.healthy()
