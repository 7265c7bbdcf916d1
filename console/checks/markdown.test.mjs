// Markdown of models: what it becomes, and what it never becomes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address, annotated, parse, plain } from "../answer/markdown.js";

/** A tree as a short text. @param {any} node @returns {string} */
function short(node) {
  if (Array.isArray(node)) return node.map(short).join("");
  const inside = node.children ? short(node.children) : "";
  switch (node.type) {
    case "text": return node.flag === null ? node.text : `{${node.flag}:${node.text}}`;
    case "code": return node.language === undefined ? `\`${node.text}\`` : `<code ${node.language}>${node.text}</code>`;
    case "math": return `<math>${node.tex}</math>`;
    case "cite": return `<cite ${node.index}>`;
    case "mark": return `<mark ${node.number}>`;
    case "break": return "<br>";
    case "image": return `<image ${node.alt} ${node.host}>`;
    case "link": return `<a ${node.href}>${inside}</a>`;
    case "list": return `<${node.ordered ? `ol ${node.start}` : "ul"}>${node.items.map((/** @type {any} */ item) => `<li>${short(item)}</li>`).join("")}</>`;
    case "table": return `<table>${[node.head, ...node.rows].map((row) => `<tr>${row.map((/** @type {any} */ cell) => `<td>${short(cell)}</td>`).join("")}</tr>`).join("")}</table>`;
    case "heading": return `<h${node.level}>${inside}</h>`;
    case "rule": return "<hr>";
    default: return `<${node.type}>${inside}</>`;
  }
}

/** @param {string} text @param {string} expected */
const check = (text, expected) => assert.equal(short(parse(plain(text))), expected, text);
const p = (/** @type {string} */ text) => `<paragraph>${text}</>`;

test("what models write becomes what they mean", () => {
  check("**굵게**는 *기울임*과 `코드`", p("<strong>굵게</>는 <em>기울임</>과 `코드`"));
  check("# 제목\n글\n줄", `<h1>제목</h>${p("글<br>줄")}`);
  check("- 하나\n- 둘\n  - 둘째\n\n1. 일\n2. 이", `<ul><li>${p("하나")}</li><li>${p("둘")}<ul><li>${p("둘째")}</li></></li></><ol 1><li>${p("일")}</li><li>${p("이")}</li></>`);
  check("| 이름 | 값 |\n|---|--:|\n| 가 | 1 |", "<table><tr><td>이름</td><td>값</td></tr><tr><td>가</td><td>1</td></tr></table>");
  check("```rust\nfn main() {}\n```", "<code rust>fn main() {}</code>");
  check("```\n끝나지 않은", "<code >끝나지 않은</code>");
  check("> 인용\n> 둘", `<quote>${p("인용<br>둘")}</>`);
  check("값은 $a^2$이고 \\(b\\)이다", p("값은 $a^2$이고 <math>b</math>이다"));
  check("값은 $a^2$ 이다\n\n$$\nx = 1\n$$", `${p("값은 <math>a^2</math> 이다")}<math>x = 1</math>`);
  check("$5와 $6", p("$5와 $6"));
  check("snake_case_name과 2*3*4", p("snake_case_name과 2<em>3</>4"));
  check("---", "<hr>");
});

test("markup and addresses that do something stay text", () => {
  for (const text of ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<!-- x -->", "<a href='javascript:alert(1)'>x</a>"]) check(text, p(text));
  for (const to of ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//evil.example", "/api/v1/keys", "java\u200Bscript:x", "https://a:b@evil.example", "https:evil.example", "http://evil\u202E.example"]) {
    assert.equal(address(to), null, to);
    assert.ok(!short(parse(plain(`[x](${to})`))).includes("<a "), to);
    assert.ok(!short(parse(plain(`<${to}>`))).includes("<a "), to);
  }
  check("[x][1]\n\n[1]: javascript:x", p("[x][1]") + p("[1]: javascript:x"));
  check("![비밀](https://evil.example/?q=1)", p("<image 비밀 evil.example>"));
  check("![x](data:image/png;base64,AA)", p("<image x >"));
});

test("links of the web are links, with their host", () => {
  check("[법](https://law.example/제1조) 참고", p("<a https://law.example/%EC%A0%9C1%EC%A1%B0>법</a> 참고"));
  check("https://a.example/b.", p("<a https://a.example/b>https://a.example/b</a>."));
  assert.equal(address("https://EXAMPLE.com")?.host, "example.com");
  assert.equal(address("https://аpple.example")?.host, "xn--pple-43d.example");
});

test("what turns text around is shown as something that cannot be read", () => {
  assert.equal(plain("a\u202Eb\u2066c\u0000d"), "a\uFFFDb\uFFFDc\uFFFDd");
  assert.equal(plain("\uE000" + "1\uE001"), "\uFFFD1\uFFFD");
});

test("marks and flags stand where they belong, also behind emphasis and beyond the first plane", () => {
  const text = "😀 **전 직원**이 한다. [1]\n- 근거 없다.";
  const at = (/** @type {string} */ part) => [...text.slice(0, text.indexOf(part))].length;
  const marked = annotated(text, [{ start: at("[1]"), end: at("[1]") + 3 }], [{ start: at("- 근거"), end: [...text].length }]);
  assert.equal(short(parse(marked)), `${p("😀 <strong>전 직원</>이 한다. <cite 0>")}<ul><li>${p("{0:근거 없다.}")}</li></>`);
  assert.equal(short(parse("끝. [2]", true)), p("끝. <mark 2>"));
  assert.equal(short(parse(annotated("짧다", [{ start: 50, end: 60 }], [{ start: 1, end: 99 }]))), p("짧다"));
});

test("hostile texts end in a time that grows with their length, not with its square", () => {
  const size = 60_000;
  const texts = ["*".repeat(size), "[".repeat(size), "`".repeat(size), "![](".repeat(size / 4), "$$\n".repeat(size / 3), "> ".repeat(size / 2), "- ".repeat(size / 2), "|".repeat(size), `# ${" ".repeat(size)}x`, "**a ".repeat(size / 4), "_a ".repeat(size / 3), "~~".repeat(size / 2), "<".repeat(size), "h".repeat(size), "1. ".repeat(size / 3), `a|b\n${"-|".repeat(size / 2)}`, "```\n".repeat(size / 4), "$a".repeat(size / 2)];
  // Twice the text may take four times as long and more on a busy machine; a square would take minutes in all.
  for (const text of texts) assert.ok(Array.isArray(parse(text)), text.slice(0, 8));
});
