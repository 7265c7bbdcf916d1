"""Keys that administer one tenant: what they may do, and what they may not.

An administrator's key does everything inside its tenant and nothing beside it: no other tenant, no file of the machine,
no setting; it reads no more than its own groups and class, and hands out no more than that.
"""

import pytest
from house import House, Server

LABEL = {"class": "open", "residency": ["KR"], "licences": [], "purposes": ["answering"]}


class Holder:
    """Somebody with a key."""

    def __init__(self, server: Server, key: str):
        self.server = server
        self.headers = {"Authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str, body=None):
        return self.server.request(method, f"/api/v1{path}", body, self.headers)

    def gets(self, method: str, path: str, body=None):
        answer = self.ask(method, path, body)
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.body[:300]}"
        return answer.json()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """The house's own tenant and another one, each with an administrator and somebody else."""
    house = House(tmp_path_factory.mktemp("town") / "data")
    house.dure("tenant", "create", "other")
    keys = {
        "keeper": house.key("keeper", "--administrator"),
        "plain": house.key("plain"),
        "foreign": house.key("foreign", "--administrator", "--tenant", "other"),
    }
    with house.up() as server:
        holders = {name: Holder(server, key) for name, key in keys.items()}
        holders["operator"] = Holder(server, (house.data / "operator.key").read_text())
        yield house, server, holders


def test_me_says_who_asks_and_what_is_left(town) -> None:
    house, _, holders = town
    keeper = holders["keeper"].gets("GET", "/me")
    assert (keeper["kind"], keeper["name"], keeper["tenant"]["name"]) == ("service", "keeper", "default")
    rights = [keeper[f"may_{right}"] for right in ("administer", "change_models", "operate")]
    assert rights == [True, True, False]
    house.dure("tenant", "quota", "other", "1000")
    foreign = holders["foreign"].gets("GET", "/me")
    assert [foreign[f"may_{right}"] for right in ("administer", "change_models", "operate")] == [True, False, False]
    assert foreign["quota"] == {"limit_tokens": 1000, "used_tokens": 0, "left_tokens": 1000}
    assert not holders["plain"].gets("GET", "/me")["may_administer"]
    assert holders["operator"].gets("GET", "/me")["may_operate"]


def test_an_administrator_runs_a_tenant_from_the_first_group_to_the_last_key(town) -> None:
    _, server, holders = town
    keeper = holders["keeper"]
    keeper.gets("POST", "/groups", {"name": "law"})
    keeper.gets("POST", "/people", {"name": "minji", "groups": ["law"]})
    made = keeper.gets("POST", "/keys", {"name": "desk", "person": "minji"})
    assert made["person"] == "minji" and made["groups"] == [] and not made["administrator"]
    corpus = keeper.gets("POST", "/corpora", {"name": "acts", **LABEL, "readers": ["law"]})
    assert corpus["readers"] == ["law"]
    minji = Holder(server, made["key"])
    assert [one["name"] for one in minji.gets("GET", "/corpora")["data"]] == ["acts"]
    assert holders["plain"].ask("GET", "/corpora/acts").status == 404

    # A group that is a corpus's reader stays: without it nobody could read there.
    assert keeper.ask("DELETE", "/groups/law").status == 409
    # Whoever administers knows of the corpus, and reads it only as a reader.
    assert keeper.gets("GET", "/corpora/acts")["name"] == "acts"
    assert keeper.ask("GET", "/corpora/acts/documents").status == 403
    assert keeper.ask("POST", "/corpora/acts/search", {"question": "x", "mode": "words"}).status == 403

    changed = keeper.gets("PATCH", "/corpora/acts", {"title": "법령", "readers": []})
    assert (changed["title"], changed["readers"]) == ("법령", [])
    route = keeper.gets("POST", "/routes", {"name": "acts", "model": "fake", "corpora": ["acts"]})
    assert keeper.gets("GET", "/routes/acts") == route
    assert keeper.gets("PUT", "/routes/acts", {**route, "instructions": "짧게"})["instructions"] == "짧게"
    keeper.gets("DELETE", "/routes/acts")
    keeper.gets("DELETE", "/corpora/acts")
    keeper.gets("DELETE", "/groups/law")
    assert keeper.gets("GET", "/people/minji")["groups"] == []
    assert keeper.gets("DELETE", "/keys/desk")["revoked"]
    assert minji.ask("GET", "/me").status == 401


def test_a_suspended_person_is_refused_with_every_key_at_once(town) -> None:
    _, server, holders = town
    keeper = holders["keeper"]
    keeper.gets("POST", "/people", {"name": "jun"})
    keys = [keeper.gets("POST", "/keys", {"name": f"jun-{n}", "person": "jun", "administrator": n == 1}) for n in (0, 1)]
    jun = [Holder(server, made["key"]) for made in keys]
    assert [one.ask("GET", "/me").status for one in jun] == [200, 200]
    keeper.gets("PATCH", "/people/jun", {"suspended": True})
    assert [one.ask("GET", "/me").status for one in jun] == [401, 401]
    assert [one.ask("POST", "/groups", {"name": "mine"}).status for one in jun] == [401, 401]
    keeper.gets("PATCH", "/people/jun", {"suspended": False})
    assert [one.ask("GET", "/me").status for one in jun] == [200, 200]


def test_nobody_hands_out_more_than_is_theirs(town) -> None:
    _, _, holders = town
    keeper, operator = holders["keeper"], holders["operator"]
    for wanted in ("sensitive", "classified"):
        assert keeper.ask("POST", "/keys", {"name": f"up-{wanted}", "read_class": wanted}).status == 403
    operator.gets("POST", "/keys", {"name": "cleared", "read_class": "classified"})
    made = operator.gets(
        "POST", "/keys", {"name": "careful", "administrator": True, "input_class": "sensitive"}
    )
    careful = Holder(keeper.server, made["key"])
    assert careful.ask("POST", "/keys", {"name": "careless", "input_class": "open"}).status == 403


# What changes the house itself, or shows it: each with what a body there looks like.
OPERATORS = [
    ("GET", "/settings", None),
    ("GET", "/tenants", None),
    ("POST", "/tenants", {"name": "mine"}),
    ("GET", "/tenants/default", None),
    ("PUT", "/tenants/other/quota", {"quota_tokens": None}),
    ("POST", "/corpora/city/add", {"paths": ["/etc"]}),
    ("POST", "/models/import", {"path": "/etc/passwd"}),
]
HOUSES = [("POST", "/models/nothing/pull", {}), ("DELETE", "/models/nothing", None)]


def test_no_administrator_reaches_the_machine_or_another_tenant(town) -> None:
    _, _, holders = town
    keeper, foreign = holders["keeper"], holders["foreign"]
    keeper.gets("POST", "/corpora", {"name": "city", **LABEL})
    keeper.gets("POST", "/routes", {"name": "city", "model": "fake", "corpora": ["city"]})
    for name in ("keeper", "foreign", "plain"):
        for method, path, body in OPERATORS:
            answer = holders[name].ask(method, path, body)
            assert answer.status == 403, f"{name} {method} {path}: {answer.status} {answer.body[:200]}"
    for method, path, body in HOUSES:
        assert foreign.ask(method, path, body).status == 403, path
        assert keeper.ask(method, path, body).status in (200, 404), path
    theirs = [
        ("GET", "/corpora/city", None),
        ("PATCH", "/corpora/city", {"title": "mine"}),
        ("DELETE", "/corpora/city", None),
        ("POST", "/corpora/city/files?path=a.md", b"# a"),
        ("GET", "/corpora/city/documents", None),
        ("POST", "/corpora/city/search", {"question": "x"}),
        ("GET", "/routes/city", None),
        ("PUT", "/routes/city", {"name": "city", "model": "fake"}),
        ("DELETE", "/routes/city", None),
        ("POST", "/routes", {"name": "mine", "model": "fake", "corpora": ["city"]}),
        ("GET", "/keys/plain", None),
        ("DELETE", "/keys/plain", None),
    ]
    for method, path, body in theirs:
        answer = foreign.ask(method, path, body)
        assert answer.status == 404, f"{method} {path}: {answer.status} {answer.body[:200]}"
    for path in ("/corpora", "/routes", "/keys", "/people", "/groups"):
        names = [one["name"] for one in foreign.gets("GET", path)["data"]]
        assert set(names) <= {"foreign"}, f"{path}: {names}"


def test_a_route_that_somebody_else_changed_is_not_overwritten(town) -> None:
    _, _, holders = town
    keeper = holders["keeper"]
    route = {"name": "shared", "model": "fake"}
    keeper.gets("POST", "/routes", route)
    seen = keeper.ask("GET", "/routes/shared").headers["etag"]
    same = {**keeper.headers, "If-None-Match": seen}
    assert keeper.server.request("GET", "/api/v1/routes/shared", headers=same).status == 304
    keeper.gets("PUT", "/routes/shared", {**route, "instructions": "short"})
    stale = {**keeper.headers, "If-Match": seen}
    for method, body in [("PUT", {**route, "instructions": "long"}), ("DELETE", None)]:
        refused = keeper.server.request(method, "/api/v1/routes/shared", body, stale)
        assert refused.status == 412 and refused.json()["error"]["code"] == "precondition_failed", refused.body
    fresh = {**keeper.headers, "If-Match": keeper.ask("GET", "/routes/shared").headers["etag"]}
    assert keeper.server.request("DELETE", "/api/v1/routes/shared", headers=fresh).status == 200
    # A condition opens no door: who may not look gets the refusal that looking gets.
    foreign = {**holders["foreign"].headers, "If-Match": "*"}
    assert keeper.server.request("DELETE", "/api/v1/routes/city", headers=foreign).status == 404


def test_status_and_settings_show_the_house_without_its_secrets(town) -> None:
    _, _, holders = town
    status = holders["keeper"].gets("GET", "/status")
    assert status["version"] and status["disk"]["free_bytes"] > 0
    assert any(model["name"] == "fake" for model in status["models"])
    assert holders["foreign"].gets("GET", "/status")["disk"] is None
    assert holders["plain"].ask("GET", "/status").status == 403
    settings = {one["name"]: one for one in holders["operator"].gets("GET", "/settings")["data"]}
    assert settings["engine.kind"]["value"] == "fake" and settings["engine.kind"]["from"] == "$DURE_ENGINE_KIND"
    assert settings["server.upload_bytes_max"]["value"] == 256 << 20
