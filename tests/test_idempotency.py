"""Idempotency keys: the same request again gets the same answer, once charged, also after a hang-up and a restart."""

import json
import socket
import threading

from house import House, Server, eventually

CHAT = {"model": "fake", "messages": [{"role": "user", "content": "hello there"}]}
DOOR = "/v1/chat/completions"


def send(server: Server, key: str, name: str, body: dict | bytes = CHAT, path: str = DOOR):
    return server.request("POST", path, body, {"Authorization": f"Bearer {key}", "Idempotency-Key": name})


def used(house: House, tenant: str = "town") -> int:
    return next(one for one in house.json("tenant", "list") if one["name"] == tenant)["used_tokens"]


def left(server: Server, key: str) -> int:
    answer = server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
    return int(answer.headers["x-ratelimit-remaining-tokens"])


def town(house: House) -> str:
    house.dure("tenant", "create", "town")
    house.dure("tenant", "quota", "town", "1000000")
    return house.key("app", "--tenant", "town")


def test_the_same_request_again_has_the_same_answer_and_is_charged_once(house: House) -> None:
    key = town(house)
    with house.up() as server:
        first = send(server, key, "one")
        assert first.status == 200 and "idempotent-replayed" not in first.headers
        charged = used(house)
        assert charged > 0
        again = send(server, key, "one")
        assert again.body == first.body and again.headers["idempotent-replayed"] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
        assert used(house) == charged
        # Without a key, and under another one, it is another request.
        assert server.request("POST", DOOR, CHAT, {"Authorization": f"Bearer {key}"}).body != first.body
        assert send(server, key, "two").body != first.body
        assert used(house) == 3 * charged
    with house.up() as server:
        assert send(server, key, "one").body == first.body, "after a restart"
        assert used(house) == 3 * charged


def test_another_request_under_the_same_key_is_refused(house: House) -> None:
    key = house.key("app")
    with house.up() as server:
        assert send(server, key, "one").status == 200
        other = {**CHAT, "seed": 7}
        refused = send(server, key, "one", other)
        assert refused.status == 422 and refused.json()["error"]["code"] == "idempotency_key_reused"
        embed = send(server, key, "one", {"model": "fake", "input": "hello"}, "/v1/embeddings")
        assert embed.status == 422
        # A request that failed may be mended and tried again.
        assert send(server, key, "mended", {**CHAT, "model": "nobody"}).status == 404
        assert send(server, key, "mended").status == 200


def test_anothers_answer_is_not_to_be_had_by_its_key(house: House) -> None:
    mine, others = house.key("mine"), house.key("others")
    with house.up() as server:
        first = send(server, mine, "one")
        theirs = send(server, others, "one")
        assert theirs.status == 200 and theirs.body != first.body
        assert send(server, "wrong", "one").status == 401


def test_while_the_first_runs_the_second_is_told_to_come_again_and_a_hang_up_loses_nothing(house: House) -> None:
    key = town(house)
    slow = {"model": "fake", "messages": [{"role": "user", "content": "one two three four five six seven"}]}
    with house.up(engine_fake_tokens_a_second=10) as server:
        body = json.dumps(slow).encode()
        with socket.create_connection((server.host, server.port), timeout=30) as connection:
            connection.sendall(
                f"POST {DOOR} HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
                f"Idempotency-Key: one\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            # It runs once it has set its tokens aside.
            eventually(lambda: left(server, key) < 1_000_000)
            told = send(server, key, "one", slow)
            assert told.status == 409, told.body
        # The client hung up; what it asked for goes on, and is there when it comes back.
        assert int(told.headers["retry-after"]) >= 1
        assert told.json()["error"]["code"] == "idempotency_key_running"
        assert send(server, key, "one", CHAT).status == 422
        answer = eventually(lambda: (answer := send(server, key, "one", slow)).status == 200 and answer)
        assert answer.headers["idempotent-replayed"] == "true"
        usage = answer.json()["usage"]["total_tokens"]
        eventually(lambda: used(house) == usage)


def test_at_the_same_moment_only_one_runs(house: House) -> None:
    key = town(house)
    with house.up() as server:
        answers, start = [], threading.Barrier(16)

        def ask() -> None:
            start.wait()
            answers.append(send(server, key, "one"))

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert {answer.status for answer in answers} <= {200, 409}
        bodies = {answer.body for answer in answers if answer.status == 200}
        assert len(bodies) == 1
        assert used(house) == json.loads(bodies.pop())["usage"]["total_tokens"]


def test_keys_that_are_none_are_refused_and_streams_are_not_kept(house: House) -> None:
    key = house.key("app")
    with house.up() as server:
        for name in ["", "x" * 256, "\xff"]:
            assert send(server, key, name).status == 400, name
        for _ in range(2):
            streamed = send(server, key, "stream", {**CHAT, "stream": True})
            assert streamed.status == 200 and streamed.body.endswith(b"data: [DONE]\n\n")
            assert "idempotent-replayed" not in streamed.headers


def test_what_an_operator_makes_is_made_once_and_a_secret_is_kept_nowhere(house: House) -> None:
    house.key("app")
    operator = (house.data / "operator.key").read_text()
    corpus = {"name": "records", "class": "open", "purposes": ["answering"]}
    with house.up() as server:
        first = send(server, operator, "make", corpus, "/api/v1/corpora")
        again = send(server, operator, "make", corpus, "/api/v1/corpora")
        assert first.status == again.status == 200 and first.body == again.body
        assert again.headers["idempotent-replayed"] == "true"
        made = send(server, operator, "key", {"name": "new"}, "/api/v1/keys")
        assert made.status == 200
        secret = made.json()["key"]
        assert send(server, operator, "key", {"name": "new"}, "/api/v1/keys").status == 409
    for file in house.data.glob("dure.db*"):
        assert secret.encode() not in file.read_bytes()


def test_answers_that_may_quote_what_was_removed_go_with_it(house: House, tmp_path) -> None:
    key = house.key("app")
    house.corpus("records")
    (tmp_path / "a.md").write_text("# a\n\nThe well is behind the mill.\n", encoding="utf-8")
    house.dure("corpus", "add", "records", tmp_path / "a.md")
    with house.up() as server:
        assert send(server, key, "one").status == 200
        house.dure("corpus", "remove", "records", "a.md")
        assert "idempotent-replayed" not in send(server, key, "one").headers
