"""Traces: what reaches a receiver of OpenTelemetry's protocol, what does not, and that nothing is sent unasked."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from house import House, Server, eventually
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SECRET = "a sentence that no receiver may see"


class Receiver:
    """Takes what is exported, as a collector does."""

    def __init__(self):
        self.spans, self.resources, self.bodies = [], [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                receiver.take(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes(resource.resource))
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def of(self, name: str) -> list:
        return [span for span in self.spans if span.name == name]

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


def attributes(of) -> dict:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in of.attributes}


def chat(server: Server, key: str, **headers):
    body = {"model": "fake", "messages": [{"role": "user", "content": SECRET}], "stream": True}
    return server.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}", **headers})


def test_each_request_is_one_span_and_holds_no_text(house, tmp_path) -> None:
    key = house.key("app")
    with Receiver().running() as receiver:
        house.environment["DURE_OTEL_ENDPOINT"] = receiver.url
        with house.up() as server:
            traceparent = f"00-{TRACE}-{PARENT}-01"
            assert chat(server, key, traceparent=traceparent).status == 200
            assert server.request("GET", f"/nowhere/{SECRET.replace(' ', '-')}?key={key}").status == 404
            assert server.request("GET", "/v1/models", headers={"Authorization": "Bearer wrong"}).status == 401
        # The server sends what is left before it ends.
        (span,) = receiver.of("POST /v1/chat/completions")
        assert span.trace_id.hex() == TRACE and span.parent_span_id.hex() == PARENT
        told = attributes(span)
        assert told["http.request.method"] == "POST" and told["http.route"] == "/v1/chat/completions"
        assert told["http.response.status_code"] == 200 and told["gen_ai.usage.output_tokens"] > 3
        assert span.kind == 2, "a server's span"
        assert not span.events
        assert span.end_time_unix_nano > span.start_time_unix_nano
        (nowhere,) = receiver.of("GET unmatched")
        assert nowhere.trace_id.hex() != TRACE and attributes(nowhere)["error.type"] == "not_found"
        (refused,) = receiver.of("GET /v1/models")
        assert attributes(refused)["error.type"] == "invalid_api_key"
        assert receiver.resources[0]["service.name"] == "dure"
        sent = b"".join(receiver.bodies)
        for secret in (SECRET, SECRET.replace(" ", "-"), key, str(house.data)):
            assert secret.encode() not in sent, secret


def test_a_broken_traceparent_begins_a_trace_of_its_own(house) -> None:
    key = house.key("app")
    broken = ["", "00-0-0-0", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-x-01", "x" * 5000]
    with Receiver().running() as receiver:
        house.environment["DURE_OTEL_ENDPOINT"] = receiver.url
        with house.up() as server:
            for value in broken:
                assert chat(server, key, traceparent=value).status == 200, value
        spans = receiver.of("POST /v1/chat/completions")
        assert len({span.trace_id for span in spans}) == len(broken)
        assert all(span.trace_id.hex() != TRACE and not span.parent_span_id for span in spans)


def test_a_receiver_that_is_gone_is_told_once_and_costs_nothing(house) -> None:
    key = house.key("app")
    with Receiver().running() as receiver:
        url = receiver.url
    house.environment["DURE_OTEL_ENDPOINT"] = url
    with house.up() as server:
        assert all(chat(server, key).status == 200 for _ in range(20))
        eventually(lambda: "traces do not reach their receiver" in server.log.read_text(), 30)
        assert server.healthy()
    assert server.log.read_text().count("traces do not reach their receiver") == 1


def test_an_endpoint_that_is_none_stops_the_start(house) -> None:
    house.key("app")
    house.environment["DURE_OTEL_ENDPOINT"] = "collector:4318"
    assert "otel.endpoint" in house.refuses("up", "--listen", "127.0.0.1:0")


def test_the_log_has_the_request_and_not_its_text(house) -> None:
    key = house.key("app")
    house.environment |= {"DURE_LOG_FORMAT": "json", "DURE_LOG_LEVEL": "info,gateway=debug"}
    with house.up() as server:
        assert chat(server, key, traceparent=f"00-{TRACE}-{PARENT}-01").status == 200
        server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}x"})

        def answered():
            lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
            found = [line["span"] for line in lines if line["fields"]["message"] == "answered"]
            return found if len(found) == 2 else None

        chatted, refused = eventually(answered)
    assert chatted["http.route"] == "/v1/chat/completions" and chatted["http.response.status_code"] == 200
    assert chatted["tenant"] and chatted["ms"] >= 0
    assert refused["error.type"] == "invalid_api_key" and "tenant" not in refused
    log = server.log.read_text()
    assert SECRET not in log and key not in log
