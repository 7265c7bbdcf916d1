"""TLS: files that must be right to start, are renewed without a restart, and clients that must show a certificate."""

import http.client
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from house import House, Server, eventually


class Authority:
    """A small authority in a folder, made with Debian's own openssl."""

    def __init__(self, folder: Path, name: str = "authority"):
        self.folder = folder
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)  # fmt: skip

    def issue(self, name: str, purpose: str) -> tuple[Path, Path]:
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={purpose}\n")
        request = self.folder / f"{name}.csr"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", key, "-out", request)  # fmt: skip
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-days", "30",
                "-extfile", extensions, "-out", certificate)  # fmt: skip
        return certificate, key


def openssl(*words) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def install(house: House, pair: tuple[Path, Path]) -> dict:
    """Puts a certificate and its key into the data folder; gives the settings that name them."""
    for source, name in zip(pair, ["tls.pem", "tls.key"], strict=True):
        beside = house.data / f"{name}.new"
        beside.write_bytes(source.read_bytes())
        beside.replace(house.data / name)
    (house.data / "tls.key").chmod(0o600)
    return {"tls_certificate": "tls.pem", "tls_key": "tls.key"}


def trusting(authority: Authority, shown: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if shown:
        context.load_cert_chain(*map(str, shown))
    return context


def ask(server: Server, context: ssl.SSLContext, key: str) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=30)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}", "Host": "localhost"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def shown_by(server: Server) -> str:
    return ssl.get_server_certificate((server.host, server.port))


def test_the_server_speaks_tls_and_nothing_else(house: House, authority: Authority) -> None:
    key = house.key("app")
    settings = install(house, authority.issue("server", "serverAuth"))
    with house.up(**settings) as server:
        assert ask(server, trusting(authority), key) == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(server, ssl.create_default_context(), key)
        plain = server.raw(f"GET /healthz HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
        assert b"HTTP/1.1" not in plain and b"ok" not in plain
        for old in [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]:
            context = trusting(authority)
            with pytest.warns(DeprecationWarning):
                context.minimum_version, context.maximum_version = old, old
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                ask(server, context, key)
        # The command line speaks to its own server over TLS, too.
        house.environment |= {f"DURE_{name.upper()}": value for name, value in settings.items()}
        assert house.json("key", "list")[0]["name"] == "app"
        assert house.json("doctor")["server"] is True


def test_the_command_line_tells_its_secret_to_no_other_server(house: House, authority: Authority, tmp_path) -> None:
    house.key("app")
    settings = install(house, authority.issue("server", "serverAuth"))
    with house.up(**settings):
        # The settings of whoever asks name another certificate than the server shows.
        other = Authority(tmp_path, "other").issue("other-server", "serverAuth")
        house.environment |= {"DURE_TLS_CERTIFICATE": str(other[0]), "DURE_TLS_KEY": str(other[1])}
        assert "certificate" in house.refuses("key", "list")


def test_new_files_are_taken_without_a_restart_and_broken_ones_are_not(house: House, authority: Authority) -> None:
    key = house.key("app")
    settings = install(house, authority.issue("first", "serverAuth"))
    with house.up(**settings) as server:
        first = shown_by(server)
        context = trusting(authority)
        open_before = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)
        headers = {"Authorization": f"Bearer {key}", "Host": "localhost"}
        open_before.request("GET", "/v1/models", headers=headers)
        assert open_before.getresponse().read()
        # Each way of being broken: the old files stay, and the log says why.
        for name, text in [("tls.pem", "no certificate"), ("tls.key", "no key"), ("tls.key", None)]:
            kept = (house.data / name).read_bytes()
            if text is None:
                (house.data / name).unlink()
            else:
                (house.data / name).write_text(text)
            before = server.log.read_text().count("the old ones stay")
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda before=before: server.log.read_text().count("the old ones stay") > before)
            assert shown_by(server) == first and ask(server, context, key) == 200
            (house.data / name).write_bytes(kept)
            (house.data / "tls.key").chmod(0o600)
        # A certificate whose key is another's.
        second = authority.issue("second", "serverAuth")
        (house.data / "tls.pem").write_bytes(second[0].read_bytes())
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the old ones stay" in server.log.read_text().splitlines()[-1])
        assert shown_by(server) == first
        # And with its key; nobody has to tell the server.
        install(house, second)
        eventually(lambda: shown_by(server) == second[0].read_text())
        assert ask(server, context, key) == 200
        # Who was there before was not disturbed.
        open_before.request("GET", "/v1/models", headers=headers)
        assert open_before.getresponse().status == 200
        open_before.close()


BROKEN = {
    "no file": {"tls_certificate": "nothing.pem", "tls_key": "tls.key"},
    "no key": {"tls_certificate": "tls.pem"},
    "no certificate": {"tls_key": "tls.key"},
    "only an authority": {"tls_client_ca": "tls.pem"},
    "a key of another": {"tls_certificate": "tls.pem", "tls_key": "other.key"},
    "a key that is none": {"tls_certificate": "tls.pem", "tls_key": "tls.pem"},
    "a certificate that is none": {"tls_certificate": "tls.key", "tls_key": "tls.key"},
    "an authority that is not there": {
        "tls_certificate": "tls.pem", "tls_key": "tls.key", "tls_client_ca": "nothing.pem",
    },  # fmt: skip
    "an authority that is none": {"tls_certificate": "tls.pem", "tls_key": "tls.key", "tls_client_ca": "tls.key"},
}


@pytest.mark.parametrize("how", BROKEN)
def test_with_files_that_cannot_be_used_nothing_starts(house: House, authority: Authority, how: str) -> None:
    house.key("app")
    install(house, authority.issue("server", "serverAuth"))
    (house.data / "other.key").write_bytes(authority.key.read_bytes())
    house.environment |= {f"DURE_{name.upper()}": value for name, value in BROKEN[how].items()}
    message = house.refuses("up", "--listen", "127.0.0.1:0", timeout=60)
    assert "TLS" in message and "nothing is served" in message, message
    assert "PRIVATE" not in message


def test_a_client_shows_a_certificate_beside_its_key(house: House, authority: Authority, tmp_path) -> None:
    key = house.key("app")
    clients = Authority(tmp_path, "clients")
    good, wrong = clients.issue("client", "clientAuth"), authority.issue("stranger", "clientAuth")
    settings = install(house, authority.issue("server", "serverAuth"))
    settings["tls_client_ca"] = str(clients.certificate)
    with house.up(**settings) as server:
        assert ask(server, trusting(authority, good), key) == 200
        # On this machine the handshake is let through for the command line's sake, and the key alone is not enough.
        assert ask(server, trusting(authority), key) == 403
        with pytest.raises((ssl.SSLError, ConnectionResetError, http.client.HTTPException)):
            ask(server, trusting(authority, wrong), key)
        assert ask(server, trusting(authority, good), "wrong") == 401
        house.environment |= {f"DURE_{name.upper()}": value for name, value in settings.items()}
        assert house.json("key", "list")[0]["name"] == "app"


def test_a_listener_for_others_without_tls_is_warned_of(house: House) -> None:
    house.key("app")
    log = house.data.parent / f"{house.data.name}.log"
    with open(log, "ab") as errors:
        command = house.command("up", "--listen", "0.0.0.0:0")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=house.environment)
    try:
        assert process.stdout.readline()
        assert "without TLS" in log.read_text()
        # The command line finds it there, too.
        assert house.json("key", "list")[0]["name"] == "app"
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
