"""What encryption at rest costs: the same work on a plain folder and on an encrypted one, by turns.

Run: `DURE_BIN=…/release/dure python3 bench/rest/measure.py bench/rest/results/NAME.json`
"""

import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from house import EXAMPLES, House  # noqa: E402

COPIES = 150
ROUNDS = 5
SEARCHES = 300
FILE_BYTES = 64 << 20
QUESTIONS = ["염소 누출 대응 훈련은 몇 월에 하나요?", "한빛동 단수는 언제인가요?", "여과지 역세척은 얼마나 자주 하나요?"]


def records(folder: Path) -> None:
    for copy in range(COPIES):
        shutil.copytree(EXAMPLES, folder / str(copy))
        for path in (folder / str(copy)).rglob("*.md"):
            path.write_text(f"{path.read_text(encoding='utf-8')}\n사본 {copy}\n", encoding="utf-8")


def measured(work) -> tuple[float, float]:
    """Wall and processor seconds of the child processes that `work` waits for."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, cpu


def once(folder: Path, source: Path, encrypted: bool) -> dict[str, float]:
    house = House(folder / ("encrypted" if encrypted else "plain"))
    if encrypted:
        key = folder / "master.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        house.environment.update(DURE_ENCRYPTION_PROVIDER="file", DURE_ENCRYPTION_FILE=str(key))
    house.corpus("records")
    app = {"Authorization": f"Bearer {house.key('app')}"}
    found = {}
    found["add_s"], found["add_cpu_s"] = measured(lambda: house.dure("corpus", "add", "records", source))
    found["open_s"], found["open_cpu_s"] = measured(lambda: house.dure("corpus", "list"))
    with house.up(search_background="false") as server:
        times = []
        for number in range(SEARCHES):
            body = {"question": f"{QUESTIONS[number % 3]} {number}", "mode": "words"}
            begun = time.monotonic()
            answer = server.request("POST", "/api/v1/corpora/records/search", body, app)
            times.append(time.monotonic() - begun)
            assert answer.status == 200, answer.body
        found["search_p50_ms"] = statistics.median(times) * 1e3
        found["search_p95_ms"] = sorted(times)[int(len(times) * 0.95)] * 1e3
        content = os.urandom(FILE_BYTES)
        form = (
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--x\r\n'
            b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + content + b"\r\n--x--\r\n"
        )
        begun = time.monotonic()
        head = {**app, "Content-Type": "multipart/form-data; boundary=x"}
        file = server.request("POST", "/v1/files", form, head)
        assert file.status == 200, file.body
        found["upload_s"] = time.monotonic() - begun
        begun = time.monotonic()
        assert server.request("GET", f"/v1/files/{file.json()['id']}/content", headers=app).body == content
        found["download_s"] = time.monotonic() - begun
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        found["memory_mib"] = int(status.split("VmRSS:")[1].split()[0]) / 1024
    found["database_mib"] = (house.data / "dure.db").stat().st_size / (1 << 20)
    shutil.rmtree(house.data)
    return found


def main() -> None:
    rounds = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        records(folder / "source")
        for _ in range(ROUNDS):
            rounds.append({name: once(folder, folder / "source", name == "encrypted") for name in ("plain", "encrypted")})
    medians = {
        name: {what: statistics.median(one[name][what] for one in rounds) for what in rounds[0][name]}
        for name in ("plain", "encrypted")
    }
    ratios = {what: medians["encrypted"][what] / medians["plain"][what] for what in medians["plain"]}
    result = {
        "when": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "load": os.getloadavg()[0],
        "rounds": ROUNDS,
        "medians": medians,
        "encrypted_to_plain": ratios,
    }
    Path(sys.argv[1]).write_text(json.dumps(result, indent=2) + "\n")
    for what, ratio in ratios.items():
        print(f"{what:16} {medians['plain'][what]:10.3f} {medians['encrypted'][what]:10.3f}  x {ratio:.2f}")


main()
