"""The official client's files and vector stores, and whose they are."""

import io
import zipfile

import openai
import pytest
from house import House

TEXT = "# 급수\n\n수도요금은 매월 말일까지 낸다. 정수장 역세척은 이틀마다 한다.\n".encode()


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("files") / "data")
    house.dure("tenant", "create", "other")
    keys = {
        "keeper": house.key("keeper", "--administrator"),
        "plain": house.key("plain"),
        "second": house.key("second"),
        "foreign": house.key("foreign", "--administrator", "--tenant", "other"),
    }
    with house.up() as server:
        made = {
            name: openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60)
            for name, key in keys.items()
        }
        yield made
        for client in made.values():
            client.close()


def test_a_file_comes_back_as_it_was_sent_and_goes(clients) -> None:
    client = clients["plain"]
    file = client.files.create(file=("급수.md", TEXT), purpose="user_data")
    assert (file.filename, file.bytes, file.purpose, file.status) == ("급수.md", len(TEXT), "user_data", "processed")
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == TEXT
    assert file.id in [one.id for one in client.files.list()]
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_a_store_is_made_filled_and_searched(clients) -> None:
    client = clients["keeper"]
    store = client.vector_stores.create(name="물 관리")
    assert store.name == "물 관리" and store.status == "completed"
    file = client.files.create(file=("급수.md", TEXT), purpose="assistants")
    put = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("요금.md", TEXT))
    assert put.status == "completed" and put.last_error is None
    again = client.vector_stores.files.create(vector_store_id=store.id, file_id=file.id)
    assert again.status == "completed"
    found = client.vector_stores.search(store.id, query="수도요금은 언제까지", max_num_results=5)
    hits = found.data
    assert {hit.file_id for hit in hits} == {file.id, put.id}
    assert "수도요금" in hits[0].content[0].text and 0 < hits[0].score < 1
    assert [one.id for one in client.vector_stores.files.list(vector_store_id=store.id)] == [file.id, put.id]
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 2

    assert client.vector_stores.files.delete(put.id, vector_store_id=store.id).deleted
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 1
    assert client.files.retrieve(put.id).id == put.id
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search(store.id, query="x")


def test_two_files_of_one_name_are_two_documents(clients) -> None:
    client = clients["keeper"]
    files = [client.files.create(file=("a.md", text), purpose="assistants") for text in (b"# a\n\none\n", b"# a\n\ntwo\n")]
    store = client.vector_stores.create(name="twins", file_ids=[file.id for file in files])
    assert store.file_counts.completed == 2
    client.vector_stores.delete(store.id)


def test_a_file_that_cannot_be_read_fails_and_says_why(clients) -> None:
    client = clients["keeper"]
    store = client.vector_stores.create()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.md", TEXT)
    for name, content in [("a.bin", bytes(range(256)) * 50), ("a.zip", archive.getvalue())]:
        put = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=(name, content))
        assert put.status == "failed" and put.last_error.message, name
    assert client.vector_stores.retrieve(store.id).file_counts.failed == 2
    client.vector_stores.delete(store.id)


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "<img src=x onerror=hit()>.md", "x.md\r\nContent-Type: text/html"])
def test_a_file_that_a_browser_would_run_comes_back_to_be_saved(clients, name: str) -> None:
    """Whatever it is called and holds: as bytes, to be saved, its kind not to be guessed, kept by nobody on the way."""
    client = clients["plain"]
    content = b"<svg xmlns='http://www.w3.org/2000/svg' onload='hit()'><script>hit()</script></svg>"
    file = client.files.create(file=(name, content), purpose="user_data")
    answer = client.files.with_raw_response.content(file.id)
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    client.files.delete(file.id)


def test_files_and_stores_are_their_owners(clients) -> None:
    keeper, plain = clients["keeper"], clients["plain"]
    file = plain.files.create(file=("mine.md", TEXT), purpose="user_data")
    store = keeper.vector_stores.create(name="ours")
    for name in ("second", "foreign"):
        other = clients[name]
        assert file.id not in [one.id for one in other.files.list()], name
        for reach in (
            lambda: other.files.retrieve(file.id),
            lambda: other.files.content(file.id),
            lambda: other.files.delete(file.id),
        ):
            with pytest.raises(openai.NotFoundError):
                reach()
    assert keeper.files.retrieve(file.id).id == file.id
    foreign = clients["foreign"]
    assert store.id not in [one.id for one in foreign.vector_stores.list()]
    theirs = foreign.vector_stores.create(name="theirs")
    for reach in (
        lambda: foreign.vector_stores.retrieve(store.id),
        lambda: foreign.vector_stores.search(store.id, query="x"),
        lambda: foreign.vector_stores.delete(store.id),
        lambda: foreign.vector_stores.files.create(vector_store_id=theirs.id, file_id=file.id),
        lambda: foreign.vector_stores.create(name="nested", file_ids=[file.id]),
    ):
        with pytest.raises(openai.NotFoundError):
            reach()
    for act in (lambda: plain.vector_stores.create(name="no"), lambda: plain.vector_stores.delete(store.id)):
        with pytest.raises(openai.PermissionDeniedError):
            act()


@pytest.mark.parametrize("purpose", ["", "anything", "' OR 1=1", "assistants" * 1000])
def test_a_purpose_is_one_of_those_that_are_known(clients, purpose) -> None:
    with pytest.raises(openai.BadRequestError):
        clients["plain"].files.create(file=("a.md", TEXT), purpose=purpose)


def test_what_a_store_does_not_do_is_said(clients) -> None:
    keeper = clients["keeper"]
    store = keeper.vector_stores.create(name="plain-store")
    with pytest.raises(openai.BadRequestError, match="filters"):
        keeper.vector_stores.search(store.id, query="x", filters={"type": "eq", "key": "k", "value": "v"})
    for number in (0, 51, 10**9):
        with pytest.raises(openai.BadRequestError, match="max_num_results"):
            keeper.vector_stores.search(store.id, query="x", max_num_results=number)
