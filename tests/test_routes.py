"""Routes with several models: which one answers, which one stands in for it, and over which borders nothing goes.

The upstreams are programs without a model that do what their names ask for: answer, fail, break off, stay silent.
"""

import json
from collections import Counter
from collections.abc import Iterator

import openai
import pytest
from house import EXAMPLES, House, Server, eventually
from test_receipts import listed, of, receipt
from test_upstream import TEXT, Upstream, ask, configured, post, table, upstream, used_tokens  # noqa: F401

QUESTION = "염소 누출 대응 훈련은 몇 월에 하나요?"
# What each model of these tests does, where it is, and whose it is.
ABROAD = {"country": "US", "owner": "acme"}
SEOUL = {"owner": "cloud"}
MODELS = {
    "good": ("instant", {}),
    "other": ("instant", {}),
    "away": ("status=503", {"failures_max": 1000}),
    "full": ("status=429,retry-after=7", {"failures_max": 1000}),
    "invalid": ("status=400", {"failures_max": 1000}),
    "silent": ("silent", {"failures_max": 1000, "first_wait_s": 1}),
    "garbage": ("garbage", {"failures_max": 1000}),
    "dies": ("dies=2", {"failures_max": 1000}),
    "narrow": ("instant", {"context_tokens": 300}),
    "wide": ("instant", {"context_tokens": 4096}),
    "sees": ("instant", {"vision": True}),
    "plain": ("instant", {"tools": False}),
    "seoul": ("instant", SEOUL),
    "seoul-away": ("status=503", {**SEOUL, "failures_max": 1000}),
    "far": ("instant", ABROAD),
    "far-away": ("status=503", {**ABROAD, "failures_max": 1000}),
    "far-too": ("instant", {"country": "US", "owner": "other"}),
    "farther": ("instant", {"country": "FR", "owner": "acme"}),
    "low": ("instant", {"class_max": "open"}),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Server, dict, Upstream]]:
    it = Upstream()
    try:
        house = House(tmp_path_factory.mktemp("routes") / "data")
        tables = []
        for name, (does, more) in MODELS.items():
            tables.append(table(name, it.address, does, **{"owner": "house", "event_wait_s": 1, **more}))
        configured(house, *tables)
        house.corpus("records", "--residency", "anywhere")
        house.dure("corpus", "add", "records", EXAMPLES)
        keys = {
            "chief": house.key("chief", "--administrator", "--read-class", "sensitive"),
            "app": house.key("app"),
            "secret": house.key("secret", "--input-class", "sensitive", "--read-class", "sensitive"),
        }
        with house.up() as server:
            yield house, server, keys, it
    finally:
        it.end()


def made(server: Server, keys: dict, name: str, *models, order: str = "listed", **more) -> str:
    """Makes a route of these models: names, or whole candidates."""
    each = [{"model": model} if isinstance(model, str) else model for model in models]
    body = {"name": name, "models": {"order": order, "list": each}, **more}
    answer = server.request("POST", "/api/v1/routes", body, of(keys["chief"]))
    assert answer.status == 200, answer.body
    assert answer.json()["model"] == each[0]["model"] and answer.json()["models"]["order"] == order
    return name


def told(server: Server, keys: dict, answer, key: str = "app") -> dict:
    """The receipt of an answer."""
    return receipt(server, keys[key], answer.headers["x-dure-receipt"])


def passed(told: dict) -> list[tuple[str, bool, str]]:
    return [(one["engine"]["name"], one["sent"], one["why"]) for one in told.get("passed_over", [])]


@pytest.mark.parametrize(
    "first,sent,why",
    [
        ("away", True, "unavailable"),
        ("full", True, "busy"),
        ("silent", True, "broke_off"),
        ("narrow", False, "window"),
        ("low", False, "engine_class"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_another_model_stands_in_before_the_first_token(town, first: str, sent: bool, why: str, stream: bool) -> None:
    _, server, keys, _ = town
    name = made(server, keys, f"{first}-{stream}".lower(), first, "good")
    key = "secret" if first == "low" else "app"
    text = "말 " * 400 if first == "narrow" else TEXT
    answer = post(server, keys[key], {"model": name, "stream": stream, "messages": [{"role": "user", "content": text}]})
    assert answer.status == 200, answer.body
    assert b"token0" in answer.body
    told_of = told(server, keys, answer, key)
    assert (told_of["engine"]["name"], told_of["how"]) == ("good", "served")
    assert passed(told_of) == [(first, sent, why)], told_of


def test_what_no_other_model_could_do_better_is_not_tried_elsewhere(town) -> None:
    _, server, keys, it = town
    name = made(server, keys, "no-better", "invalid", "good")
    before = it.seen()["requests"]
    refused = ask(server, keys["app"], name)
    assert refused.status == 400, refused.body
    assert it.seen()["requests"] == before + 1


@pytest.mark.parametrize("first", ["dies", "garbage"])
def test_an_answer_that_began_and_broke_is_never_begun_again(town, first: str) -> None:
    _, server, keys, it = town
    name = made(server, keys, f"breaks-{first}", first, "good")
    before = it.seen()["requests"]
    broken = ask(server, keys["app"], name, stream=True)
    assert b'"error"' in broken.body and b"[DONE]" not in broken.body.split(b'"error"')[0], broken.body
    assert broken.body.count(b"token0") == 1
    assert it.seen()["requests"] == before + 1
    assert told(server, keys, broken)["how"] == "failed"


def test_the_first_reason_is_answered_where_all_fail(town) -> None:
    _, server, keys, _ = town
    full = ask(server, keys["app"], made(server, keys, "all-fail", "full", "away"))
    assert (full.status, full.headers["retry-after"]) == (429, "7"), full.body
    told_of = listed(server, keys["chief"], "&kind=receipt&asked=all-fail")[0]
    assert (told_of["how"], told_of["engine"]["name"]) == ("refused", "away")
    assert passed(told_of) == [("full", True, "busy")]


def test_no_model_that_stands_in_crosses_a_border_that_the_first_did_not(town) -> None:
    _, server, keys, _ = town
    for name, models, answered in [
        # From the house into the house, to the city's cloud or abroad.
        ("in-in", ["away", "good"], "good"),
        ("in-out", ["away", "seoul"], None),
        ("in-far", ["away", "far"], None),
        # From a cloud of this country to another of it, home, or abroad.
        ("out-out", ["seoul-away", "seoul"], "seoul"),
        ("out-in", ["seoul-away", "good"], "good"),
        ("out-far", ["seoul-away", "far"], None),
        # From abroad into the same country, into another, home.
        ("far-far", ["far-away", "far-too"], "far-too"),
        ("far-farther", ["far-away", "farther"], None),
        ("far-in", ["far-away", "good"], "good"),
        ("far-out", ["far-away", "seoul"], "seoul"),
        # The one in between changes nothing: the first choice counts.
        ("far-in-far", ["far-away", "away", "far-too"], "far-too"),
        ("in-far-in", ["away", "far", "good"], "good"),
    ]:
        answer = ask(server, keys["app"], made(server, keys, name, *models))
        if answered:
            assert answer.status == 200, (name, answer.body)
            assert told(server, keys, answer)["engine"]["name"] == answered, name
        else:
            assert answer.status == 503, (name, answer.body)
            last = listed(server, keys["chief"], f"&kind=receipt&asked={name}")[0]
            assert last["how"] == "failed" and "engine" not in last
            assert passed(last) == [(models[0], True, "unavailable"), (models[1], False, "border")], last


def test_a_first_choice_that_is_left_alone_still_draws_the_border(house: House, upstream: Upstream) -> None:
    home = table("home", upstream.address, "status=500", owner="house", failures_max=1, rest_wait_s=60)
    configured(house, home, table("far", upstream.address, "instant", **ABROAD))
    chief = house.key("chief", "--administrator")
    with house.up() as server:
        made(server, {"chief": chief}, "r", "home", "far")
        assert ask(server, chief, "r").status == 503
        left_alone = ask(server, chief, "r")
        assert left_alone.status == 503 and 50 < int(left_alone.headers["retry-after"]) <= 60, left_alone.body
        assert upstream.seen()["requests"] == 1
        last = listed(server, chief, "&kind=receipt")[0]
        assert passed(last) == [("home", False, "left_alone"), ("far", False, "border")]


def test_a_model_that_is_gone_opens_no_way_out(house: House, upstream: Upstream) -> None:
    """The house's own model is taken away; what stands behind it in the list is somebody else's."""
    home = table("home", upstream.address, "instant", owner="house")
    far = table("far", upstream.address, "instant", **ABROAD)
    near = table("near", upstream.address, "instant", owner="house")
    configured(house, home, far, near)
    chief = house.key("chief", "--administrator")
    with house.up() as server:
        made(server, {"chief": chief}, "listed", "home", "far")
        made(server, {"chief": chief}, "drawn", "home", "far", order="weighted")
        made(server, {"chief": chief}, "behind", "far", "home")
        made(server, {"chief": chief}, "inside", "home", "far", "near")
    configured(house, far, near)
    with house.up() as server:
        for name in ("listed", "drawn"):
            gone = ask(server, chief, name)
            assert gone.status == 404, (name, gone.body)
            assert passed(listed(server, chief, f"&kind=receipt&asked={name}")[0]) == [("far", False, "border")]
        assert upstream.seen()["requests"] == 0
        # A list that begins abroad goes abroad; one that has another model of the house stays there.
        for name, answered in [("behind", "far"), ("inside", "near")]:
            answer = ask(server, chief, name)
            assert answer.status == 200, (name, answer.body)
            assert receipt(server, chief, answer.headers["x-dure-receipt"])["engine"]["name"] == answered


def test_a_stand_in_needs_a_permit_of_its_own(town) -> None:
    """Sensitive text may go to the first model and not to the second."""
    _, server, keys, it = town
    name = made(server, keys, "own-permit", "away", "low")
    before = it.seen()["requests"]
    answer = ask(server, keys["secret"], name)
    assert answer.status == 503, answer.body
    assert it.seen()["requests"] == before + 1
    assert ask(server, keys["app"], name).status == 200


def test_text_that_left_the_house_is_told_even_where_the_house_answered(town) -> None:
    _, server, keys, _ = town
    name = made(server, keys, "came-home", "far-away", "good")
    answer = ask(server, keys["app"], name)
    assert answer.status == 200
    outside = [one["id"] for one in listed(server, keys["chief"], "&outside=true&kind=receipt")]
    assert answer.headers["x-dure-receipt"] in outside
    assert told(server, keys, answer)["engine"]["outside"] is False


@pytest.mark.parametrize(
    "conditions,fits,fits_not",
    [
        ({"hangul_percent_min": 50}, "수도요금은 언제까지 내야 하나요", "when is the water bill due"),
        ({"hangul_percent_max": 10}, "when is the water bill due", "수도요금은 언제까지 내야 하나요"),
        ({"prompt_tokens_min": 500}, "말 " * 600, "짧은 말"),
        ({"prompt_tokens_max": 200}, "짧은 말", "말 " * 600),
    ],
)
def test_conditions_choose(town, conditions: dict, fits: str, fits_not: str) -> None:
    _, server, keys, _ = town
    name = "when-" + "-".join(conditions).replace("_", "-")
    made(server, keys, name, {"model": "other", "when": conditions}, "good")
    for text, model in [(fits, "other"), (fits_not, "good")]:
        answer = post(server, keys["app"], {"model": name, "messages": [{"role": "user", "content": text}]})
        assert answer.status == 200, answer.body
        assert told(server, keys, answer)["engine"]["name"] == model, text


def test_what_a_turn_needs_chooses(town) -> None:
    _, server, keys, _ = town
    name = made(server, keys, "needs", "plain", "sees")
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    seen = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}}
    shown = post(
        server, keys["app"],
        {"model": name, "messages": [{"role": "user", "content": [seen, {"type": "text", "text": "무엇이 보이나요?"}]}]},
    )
    assert shown.status == 200, shown.body
    assert told(server, keys, shown)["engine"]["name"] == "sees"
    assert told(server, keys, ask(server, keys["app"], name))["engine"]["name"] == "plain"
    blind = made(server, keys, "blind", "plain", "good")
    refused = post(
        server, keys["app"], {"model": blind, "messages": [{"role": "user", "content": [seen]}]},
    )
    assert refused.status == 400 and b"unable" in refused.body, refused.body


def test_lots_are_drawn_by_weight(town) -> None:
    _, server, keys, _ = town
    name = made(server, keys, "lots", {"model": "good", "weight": 3}, {"model": "other", "weight": 1}, order="weighted")
    for _ in range(120):
        assert ask(server, keys["app"], name).status == 200
    drawn = Counter(one["engine"]["name"] for one in listed(server, keys["app"], f"&kind=receipt&asked={name}"))
    assert sum(drawn.values()) == 120
    # Thirty are expected of the lighter one; with less than nine or more than sixty something is wrong.
    assert 9 <= drawn["other"] <= 60, drawn


def test_a_cited_answer_comes_from_the_model_that_stands_in(town) -> None:
    _, server, keys, _ = town
    name = made(server, keys, "cited", "away", "good", corpora=["records"], mode="generated")
    answer = post(server, keys["app"], {"model": name, "messages": [{"role": "user", "content": QUESTION}]})
    assert answer.status == 200, answer.body
    told_of = told(server, keys, answer)
    assert told_of["engine"]["name"] == "good" and told_of["documents"]
    assert passed(told_of) == [("away", True, "unavailable")]


def test_several_choices_each_find_their_model(town) -> None:
    _, server, keys, _ = town
    name = made(server, keys, "choices", "away", "good")
    answer = ask(server, keys["app"], name, n=3)
    assert answer.status == 200 and len(answer.json()["choices"]) == 3
    last = listed(server, keys["app"], f"&kind=receipt&asked={name}")
    assert [one["engine"]["name"] for one in last] == ["good"] * 3


def test_a_quota_is_charged_for_the_model_that_answered_alone(house: House, upstream: Upstream) -> None:
    configured(
        house,
        table("away", upstream.address, "status=503", owner="house"),
        table("good", upstream.address, "instant", owner="house"),
    )
    house.dure("tenant", "create", "waterworks", "--quota-tokens", "100000")
    key = json.loads(house.dure("--tenant", "waterworks", "key", "create", "app", "--administrator", "--json"))["key"]
    with house.up() as server:
        made(server, {"chief": key}, "r", "away", "good")
        answer = ask(server, key, "r")
        assert answer.status == 200
        total = answer.json()["usage"]["total_tokens"]
        eventually(lambda: used_tokens(house, "waterworks") == total)


def test_the_openai_client_learns_nothing_of_it(town) -> None:
    _, server, keys, _ = town
    name = made(server, keys, "client", "away", "good")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=keys["app"], max_retries=0, timeout=60) as client:
        whole = client.chat.completions.create(model=name, messages=[{"role": "user", "content": TEXT}])
        assert whole.choices[0].message.content.startswith("token0")
        stream = client.chat.completions.create(model=name, messages=[{"role": "user", "content": TEXT}], stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert text.startswith("token0")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "other", "models": {"list": [{"model": "good"}]}},
        {"models": {"list": []}},
        {"models": {"list": [{"model": "good"}, {"model": "good"}]}},
        {"models": {"list": [{"model": "good", "weight": 0}]}},
        {"models": {"list": [{"model": "good", "wieght": 1}]}},
        {"models": {"list": [{"model": "good", "when": {"hangul_percent_min": 101}}]}},
        {"models": {"list": [{"model": "good", "when": {"prompt_tokens_min": 2, "prompt_tokens_max": 1}}]}},
        {"models": {"list": [{"model": f"m{n}"} for n in range(17)]}},
        {"models": {"order": "random", "list": [{"model": "good"}]}},
        {"models": [{"model": "good"}]},
        {"models": {"list": [{"model": "x" * 10_000}]}},
        {"models": {"list": [{"model": "good"}], "hedge_after_ms": 100}},
        {"models": {"list": [{"model": "good"}, {"model": "other"}], "hedge_after_ms": 0}},
        {"models": {"list": [{"model": "good"}, {"model": "other"}], "hedge_after_ms": 600_001}},
        {"models": {"list": [{"model": "good"}, {"model": "other"}], "hedge_after_ms": -1}},
    ],
)
def test_a_list_that_means_nothing_is_refused(town, body: dict) -> None:
    _, server, keys, _ = town
    refused = server.request("POST", "/api/v1/routes", {"name": "wrong", **body}, of(keys["chief"]))
    assert refused.status in (400, 404, 422), (body, refused.body)
    assert server.request("GET", "/api/v1/routes/wrong", headers=of(keys["chief"])).status == 404


def test_a_list_is_kept_changed_and_gone_with_its_route(house: House, upstream: Upstream) -> None:
    configured(house, *[table(name, upstream.address, "instant", owner="house") for name in ("a", "b", "c")])
    chief = house.key("chief", "--administrator")
    models = {"order": "weighted", "list": [{"model": "a", "weight": 2}, {"model": "b", "when": {"waiting_max": 3}}]}
    with house.up() as server:
        created = server.request("POST", "/api/v1/routes", {"name": "r", "models": models}, of(chief))
        assert created.status == 200, created.body
    with house.up() as server:
        whole = server.request("GET", "/api/v1/routes/r", headers=of(chief)).json()
        kept = whole["models"]
        assert kept == created.json()["models"] and kept["list"][1]["when"]["waiting_max"] == 3
        # What was read can be put back as it is.
        again = server.request("PUT", "/api/v1/routes/r", whole, of(chief))
        assert again.status == 200 and again.json() == whole, again.body
        plain = server.request("PUT", "/api/v1/routes/r", {"name": "r", "model": "c"}, of(chief))
        assert [one["model"] for one in plain.json()["models"]["list"]] == ["c"]
    with house.up() as server:
        kept = server.request("GET", "/api/v1/routes/r", headers=of(chief)).json()
        assert kept["model"] == "c" and len(kept["models"]["list"]) == 1
        house.dure("route", "remove", "r")
        house.dure("route", "create", "r", "--model", "b,a")
        shown = house.dure("route", "list")
        assert "b, a" in shown, shown


def test_the_command_line_takes_models_from_a_file(house: House, upstream: Upstream, tmp_path) -> None:
    configured(house, *[table(name, upstream.address, "instant", owner="house") for name in ("a", "b")])
    file = tmp_path / "models.toml"
    file.write_text('order = "weighted"\n[[list]]\nmodel = "a"\nweight = 3\n[[list]]\nmodel = "b"\n[list.when]\nprompt_tokens_max = 900\n')
    house.dure("route", "create", "r", "--models", file)
    kept = house.json("route", "show", "r")["models"]
    assert (kept["order"], kept["list"][0]["weight"], kept["list"][1]["when"]["prompt_tokens_max"]) == ("weighted", 3, 900)
    for broken in ("order = [", "list = 3", ""):
        file.write_text(broken)
        assert house.run("route", "create", "s", "--models", file).returncode != 0
