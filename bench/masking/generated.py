"""Generated identifiers: how many are missed when they are written plainly, and in thirty disguises.

Seeded, so that the same identifiers come again. Plain: each identifier in a sentence of an office letter, with the words
that stand beside such a number in letters. Disguised: with these words, and once more with nothing but 번호 (number).
An identifier counts as masked only if none of its pieces of five characters is left.
"""
import argparse
import html
import json
import random
import string
import unicodedata
import urllib.parse

from masker import mask

RNG = random.Random(20261130)


def digits(count):
    return "".join(RNG.choice(string.digits) for _ in range(count))


def date():
    return f"{RNG.randrange(100):02}{RNG.randrange(1, 13):02}{RNG.randrange(1, 29):02}"


def resident(foreign=False, random_tail=False):
    body = date() + RNG.choice("5678" if foreign else "34" if random_tail else "1234") + digits(5)
    last = (11 - sum(int(d) * w for d, w in zip(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))) % 11) % 10
    last = RNG.randrange(10) if random_tail else (last + 2) % 10 if foreign else last
    return f"{body[:6]}-{body[6:]}{last}"


def business():
    body = str(RNG.randrange(101, 1000)) + f"{RNG.randrange(1, 100):02}" + digits(4)
    total = sum(int(d) * w for d, w in zip(body, (1, 3, 7, 1, 3, 7, 1, 3, 5))) + int(body[8]) * 5 // 10
    body += str((10 - total % 10) % 10)
    return f"{body[:3]}-{body[3:5]}-{body[5:]}"


def corporate():
    body = RNG.choice(["1101", "1301", "1345", "2801", "1801"]) + RNG.choice(["11", "12", "21", "34"]) + digits(6)
    last = (10 - sum(int(d) * (1 + i % 2) for i, d in enumerate(body)) % 10) % 10
    return f"{body[:6]}-{body[6:]}{last}"


def card():
    body = RNG.choice(["4" + digits(14), "5" + RNG.choice("12345") + digits(13), "9" + digits(14), "35" + digits(13)])
    total = sum(int(d) if i % 2 else (int(d) * 2 - 9 if int(d) > 4 else int(d) * 2) for i, d in enumerate(body))
    body += str(-total % 10)
    return "-".join(body[i : i + 4] for i in range(0, 16, 4))


def account():
    return RNG.choice([
        lambda: f"110-{digits(3)}-{digits(6)}", lambda: f"{digits(6)}-{RNG.choice(['01', '02', '04'])}-{digits(6)}", lambda: f"1002-{digits(3)}-{digits(6)}",
        lambda: f"{digits(3)}-{digits(6)}-{digits(5)}", lambda: f"3{digits(2)}-{digits(4)}-{digits(4)}-{digits(2)}", lambda: f"3333-{digits(2)}-{digits(7)}",
        lambda: f"{digits(3)}-{digits(6)}-{digits(2)}-{digits(3)}",
    ])()


def iban():
    country, length = RNG.choice([("DE", 18), ("FR", 23), ("NL", 14), ("GB", 18)])
    body = digits(length) if country in ("DE", "FR") else "".join(RNG.choice(string.ascii_uppercase) for _ in range(4)) + digits(length - 4)
    value = "".join(str(int(c, 36)) for c in body + country + "00")
    whole = f"{country}{98 - int(value) % 97:02}{body}"
    return " ".join(whole[i : i + 4] for i in range(0, len(whole), 4)) if RNG.random() < 0.5 else whole


def word(low, high, letters=string.ascii_lowercase + string.digits):
    return "".join(RNG.choice(letters) for _ in range(RNG.randrange(low, high)))


def secret():
    alphabet = string.ascii_letters + string.digits
    return RNG.choice([
        lambda: "AKIA" + word(16, 17, string.ascii_uppercase + string.digits), lambda: "ghp_" + word(36, 37, alphabet), lambda: "sk-proj-" + word(40, 48, alphabet),
        lambda: "xoxb-" + digits(12) + "-" + word(24, 25, alphabet), lambda: "eyJ" + word(20, 40, alphabet) + "." + word(40, 80, alphabet) + "." + word(43, 44, alphabet),
        lambda: "glpat-" + word(20, 21, alphabet), lambda: "AIza" + word(35, 36, alphabet),
    ])()


AREAS = ["02", "031", "032", "033", "041", "042", "043", "044", "051", "052", "053", "054", "055", "061", "062", "063", "064"]
LETTERS = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주하허호배바사아자"

KINDS = {
    "resident number, until 2020-10": ("주민등록번호", lambda: resident()),
    "resident number, since 2020-10": ("주민등록번호", lambda: resident(random_tail=True)),
    "foreigner's number": ("외국인등록번호", lambda: resident(foreign=True)),
    "business number": ("사업자등록번호", business),
    "corporate number": ("법인등록번호", corporate),
    "driver's licence": ("운전면허번호", lambda: f"{RNG.choice(list(range(11, 27)) + [28])}-{digits(2)}-{digits(6)}-{digits(2)}"),
    "passport": ("여권번호", lambda: RNG.choice("MSROD") + (digits(8) if RNG.random() < 0.5 else digits(3) + RNG.choice(string.ascii_uppercase) + digits(4))),
    "bank account": ("계좌번호", account),
    "health insurance": ("건강보험증번호", lambda: f"{RNG.randrange(1, 10)}-{digits(10)}"),
    "mobile phone": ("휴대전화", lambda: f"010-{RNG.randrange(2000, 10000)}-{digits(4)}"),
    "landline phone": ("전화", lambda: f"{RNG.choice(AREAS)}-{RNG.choice([RNG.randrange(200, 1000), RNG.randrange(2000, 10000)])}-{digits(4)}"),
    "vehicle": ("차량번호", lambda: f"{RNG.randrange(10, 999)}{RNG.choice(LETTERS)} {digits(4)}"),
    "birth date": ("생년월일", lambda: f"{RNG.randrange(1930, 2020)}{RNG.choice('.-')}{RNG.randrange(1, 13):02}{RNG.choice('.-')}{RNG.randrange(1, 29):02}"),
    "e-mail": ("전자우편", lambda: f"{RNG.choice(string.ascii_lowercase)}{word(2, 12)}@{word(3, 10, string.ascii_lowercase)}.{RNG.choice(['co.kr', 'go.kr', 'com', 'net', 'ac.kr', 'or.kr'])}"),
    "card": ("카드번호", card),
    "IBAN": ("IBAN", iban),
    "IPv4": ("접속 주소", lambda: ".".join(str(RNG.randrange(1, 255)) for _ in range(4))),
    "IPv6": ("접속 주소", lambda: ":".join(f"{RNG.randrange(1, 65536):x}" for _ in range(8))),
    "MAC": ("장비", lambda: RNG.choice(":-").join(f"{RNG.randrange(256):02x}" for _ in range(6))),
    "key or token": ("키", secret),
    "URL with a password": ("접속", lambda: f"https://{word(3, 8)}:{word(6, 12)}@{word(4, 9, string.ascii_lowercase)}.example.com/{word(2, 6)}"),
    "case number": ("사건", lambda: f"{RNG.randrange(1995, 2027)}{RNG.choice(['가단', '가합', '고단', '노', '도', '나', '구합', '드단'])}{RNG.randrange(1, 99999)}"),
    "employee number": ("사번", lambda: f"{RNG.choice(['', 'A', 'E', 'EMP-'])}{RNG.randrange(2000, 2027)}{digits(4)}"),
}
SENTENCES = [
    "제출하신 서류의 {label}는 {value} 입니다.", "{label}: {value}", "아래와 같이 확인하였습니다. {label} {value} 끝.", "- {label}({value})로 접수됨", "{label}\t{value}\t확인",
    "담당 부서에서 {label} {value}, 접수일 2026. 11. 30.을 기록하였다.",
]

KOREAN = dict(zip(string.digits, "공일이삼사오육칠팔구"))
HANJA = dict(zip(string.digits, "〇一二三四五六七八九"))


def swap(value, table):
    return "".join(table.get(c, c) for c in value)


def block(start):
    return {str(d): chr(start + d) for d in range(10)}


def last_starred(value):
    return value[:-1] + "*"


def broken(value):
    half = len(value) // 2
    return value[:half] + "\n" + value[half:]


DISGUISES = {
    "plain": lambda v: v,
    "no separator": lambda v: v.replace("-", ""),
    "spaces for dashes": lambda v: v.replace("-", " "),
    "dash with spaces": lambda v: v.replace("-", " - "),
    "dots": lambda v: v.replace("-", "."),
    "en dash": lambda v: v.replace("-", "–"),
    "em dash": lambda v: v.replace("-", "—"),
    "minus sign": lambda v: v.replace("-", "−"),
    "full-width digits": lambda v: swap(v, block(0xFF10)),
    "full width, all": lambda v: swap(v, block(0xFF10)).replace("-", "－"),
    "zero width between digits": lambda v: "\u200b".join(v),
    "soft hyphens between digits": lambda v: "\u00ad".join(v),
    "word joiners between digits": lambda v: "\u2060".join(v),
    "Korean number words": lambda v: swap(v, KOREAN),
    "Korean number words, spaces": lambda v: swap(v, KOREAN).replace("-", " "),
    "Hanja digits": lambda v: swap(v, HANJA),
    "letter O for 0": lambda v: v.replace("0", "O"),
    "letter l for 1": lambda v: v.replace("1", "l"),
    "line break behind a dash": lambda v: v.replace("-", "-\n", 1),
    "line break in the middle": broken,
    "every digit spaced": lambda v: " ".join(v.replace("-", "")),
    "mathematical digits": lambda v: swap(v, block(0x1D7CE)),
    "Arabic-Indic digits": lambda v: swap(v, block(0x660)),
    "Devanagari digits": lambda v: swap(v, block(0x966)),
    "circled digits": lambda v: swap(v, {"0": "⓪", **{str(d): chr(0x2460 + d - 1) for d in range(1, 10)}}),
    "HTML entities": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "percent escapes": lambda v: "".join(f"%{ord(c):02X}" for c in v),
    "escaped dashes": lambda v: v.replace("-", urllib.parse.quote("–")),
    "JSON escapes": lambda v: "".join(f"\\u{ord(c):04x}" for c in v),
    "last digit starred": last_starred,
    "table columns": lambda v: v.replace("-", " | "),
    "key caps": lambda v: "".join(c + "\ufe0f\u20e3" if c.isdigit() else c for c in v),
    "words around in NFD": None,
    # Written after the rules, to see what they do with what they were not made for.
    "slashes": lambda v: v.replace("-", "/"),
    "underscores": lambda v: v.replace("-", "_"),
    "middle dots": lambda v: v.replace("-", "·"),
    "commas and spaces": lambda v: v.replace("-", ", "),
    "no-break spaces": lambda v: v.replace("-", "\u00a0"),
    "first part in brackets": lambda v: f"({v[:v.index('-')]}) {v[v.index('-') + 1:]}",
    "each part in quotes": lambda v: "-".join(f'"{part}"' for part in v.split("-")),
    "bold in Markdown": lambda v: f"**{v}**",
    "each part bold in Markdown": lambda v: "-".join(f"**{part}**" for part in v.split("-")),
    "tags inside": lambda v: v.replace("-", "</b>-<b>"),
    "struck out": lambda v: "".join(c + "\u0336" for c in v),
    "Thai digits": lambda v: swap(v, block(0xE50)),
    "raised digits": lambda v: swap(v, dict(zip(string.digits, "⁰¹²³⁴⁵⁶⁷⁸⁹"))),
    "formal Hanja digits": lambda v: swap(v, dict(zip(string.digits, "零壹貳參肆伍陸柒捌玖"))),
    "digits and words mixed": lambda v: "".join(KOREAN.get(c, c) if place % 2 else c for place, c in enumerate(v)),
    "every Korean word spaced": lambda v: " ".join(swap(v.replace("-", ""), KOREAN)),
    "as it is said, with 에": lambda v: swap(v, KOREAN).replace("-", "에 "),
}
DISGUISED = ["resident number, until 2020-10", "resident number, since 2020-10", "foreigner's number", "business number", "mobile phone", "card"]


def survives(value, masked):
    pieces = [value[i : i + 5] for i in range(0, max(1, len(value) - 4), 2)]
    return any(sum(c.isalnum() for c in piece) >= 4 and piece in masked for piece in pieces)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=10_000, help="identifiers of each kind, plain")
    options.add_argument("--disguised", type=int, default=300, help="identifiers of each kind in each disguise")
    options.add_argument("--missed", type=int, default=0, help="show so many that were missed, of each kind and disguise")
    options = options.parse_args()
    plain = {}
    for name, (label, make) in KINDS.items():
        values = [make() for _ in range(options.count)]
        texts = [RNG.choice(SENTENCES).format(label=label, value=value) for value in values]
        missed = [(v, t, r["text"]) for v, t, r in zip(values, texts, mask(texts)) if v in r["text"] or survives(v, r["text"])]
        plain[name] = len(missed)
        for value, text, masked in missed[: options.missed]:
            print("missed", name, repr(text), repr(masked))
    report = {"seed": 20261130, "count_each": options.count, "missed_plain": plain, "disguised_each": options.disguised}
    for words in ("with_words", "without_words"):
        disguises = disguised(options, words == "with_words")
        report[words] = {
            "mean_percent": round(sum(disguises.values()) / len(disguises), 2), "worst_percent": min(disguises.values()), "disguises_percent": disguises,
        }
    print(json.dumps(report, ensure_ascii=False, indent=1))


def disguised(options, with_words):
    disguises = {}
    for disguise, change in DISGUISES.items():
        hidden = total = 0
        for name in DISGUISED:
            label, make = KINDS[name]
            label = label if with_words else "번호"
            values, texts = [], []
            for _ in range(options.disguised):
                value = make()
                value = change(value) if change else value
                text = RNG.choice(SENTENCES).format(label=label, value=value)
                if not change:
                    text = unicodedata.normalize("NFD", text)
                values.append(value)
                texts.append(text)
            for value, text, result in zip(values, texts, mask(texts)):
                total += 1
                if value not in result["text"] and not survives(value, result["text"]):
                    hidden += 1
                elif options.missed and total % 7 == 0:
                    print("missed", disguise, repr(text), repr(result["text"]))
        disguises[disguise] = round(100 * hidden / total, 2)
    return disguises


if __name__ == "__main__":
    main()
