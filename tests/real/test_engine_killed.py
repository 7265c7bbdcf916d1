"""The real engine's child killed fifty times under load: no slot is lost, nobody waits for ever."""

import os
import random
import signal
import threading

import openai
from house import House, eventually
from test_real_models import CHAT, busiest, engine_children

from conftest import bring_models

KILLS = 50
CLIENTS = 6
SLOTS = 4


def test_killed_fifty_times_under_load_no_slot_is_lost(models, tmp_path) -> None:
    house = House(tmp_path / "data", engine=None)
    bring_models(models, house)
    key = house.key("app")
    with house.up(engine_slots=SLOTS, engine_context_tokens=512, search_background="false") as server:
        stop, outcomes, lock = threading.Event(), {}, threading.Lock()

        def count(what: str) -> None:
            with lock:
                outcomes[what] = outcomes.get(what, 0) + 1

        def ask(number: int) -> None:
            with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60) as client:
                turn = 0
                while not stop.is_set():
                    turn += 1
                    text = f"Client {number}, turn {turn}: count from one to ten."
                    try:
                        answer = client.chat.completions.create(
                            model=CHAT, messages=[{"role": "user", "content": text}], max_tokens=4
                        )
                        assert answer.choices[0].finish_reason
                        count("answered")
                    except openai.APIStatusError as refused:
                        # Its engine died, or is being started: said plainly, and nothing else.
                        count(str(refused.status_code))
                        assert refused.status_code in (429, 502, 503), refused

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        chance = random.Random(50)
        try:
            for _ in range(KILLS):
                # Something was answered since the last death, so the engine is not given longer and longer rests.
                before = outcomes.get("answered", 0)
                eventually(lambda before=before: outcomes.get("answered", 0) > before, seconds=60)
                stop.wait(chance.uniform(0, 0.2))
                for pid in engine_children(server):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=90)
        assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
        assert server.healthy()
        assert "panicked" not in server.log.read_text()

        # All slots are there: as many answers at once as there are, each of them whole.
        answers = []

        def once() -> None:
            with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=20, timeout=90) as client:
                said = client.chat.completions.create(
                    model=CHAT, messages=[{"role": "user", "content": "Say yes."}], max_tokens=4
                )
                answers.append(said.choices[0].message.content)

        last = [threading.Thread(target=once) for _ in range(2 * SLOTS)]
        for thread in last:
            thread.start()
        for thread in last:
            thread.join(timeout=120)
        assert len(answers) == 2 * SLOTS and all(answers), (answers, outcomes)
        assert busiest(engine_children(server))
