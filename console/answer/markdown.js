// Markdown as models write it, into a tree. Text stays text: markup inside it is shown, addresses are taken only in
// the forms that `address` lets through, pictures are never fetched. Time is linear in the text, depth is bounded.

/**
 * @typedef {{ type: "text", text: string, flag: number | null }
 *   | { type: "code", text: string }
 *   | { type: "strong" | "em" | "del", children: Inline[] }
 *   | { type: "link", href: string, host: string, children: Inline[] }
 *   | { type: "image", alt: string, host: string }
 *   | { type: "math", tex: string, display: boolean }
 *   | { type: "cite", index: number }
 *   | { type: "mark", number: number }
 *   | { type: "break" }} Inline
 */
/**
 * @typedef {{ type: "heading", level: number, children: Inline[] }
 *   | { type: "paragraph", children: Inline[] }
 *   | { type: "code", language: string, text: string }
 *   | { type: "math", tex: string }
 *   | { type: "quote", children: Block[] }
 *   | { type: "list", ordered: boolean, start: number, items: Block[][] }
 *   | { type: "table", align: (string | null)[], head: Inline[][], rows: Inline[][][] }
 *   | { type: "rule" }} Block
 */

const DEPTH_MAX = 12;
const COLUMNS_MAX = 64;
const LINK_MAX = 3_000;

// Marks and flags travel through the text as characters that no text of a model may hold.
const CITE = "\uE000";
const CITE_END = "\uE001";
const FLAG = "\uE002";
const FLAG_START = "\uE003";
const FLAG_END = "\uE004";
const OURS = /[\uE000-\uE004]/g;
// What turns the direction of text around can make one address look like another.
const DIRECTION = /[\u202A-\u202E\u2066-\u2069\u200E\u200F\u061C]/g;
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/g;

/** A text without what would do something instead of being read. Its length stays. @param {string} text */
export const plain = (text) => text.replace(OURS, "\uFFFD").replace(DIRECTION, "\uFFFD").replace(CONTROL, "\uFFFD");

/**
 * The text with its citations' marks and its unsupported sentences put in. Both come as places in characters.
 * @param {string} text
 * @param {{ start: number, end: number }[]} marks
 * @param {{ start: number, end: number }[]} flags
 */
export function annotated(text, marks, flags) {
  const characters = [...plain(text)];
  /** @type {Map<number, string>} */
  const before = new Map();
  const put = (/** @type {number} */ at, /** @type {string} */ what) => before.set(at, (before.get(at) ?? "") + what);
  flags.forEach(({ start, end }, index) => {
    if (end <= start || end > characters.length) return;
    put(behindSigns(characters, start), `${FLAG}${index}${FLAG_START}`);
    put(end, FLAG_END);
  });
  marks.forEach(({ start, end }, index) => {
    if (end <= start || end > characters.length) return;
    put(start, `${CITE}${index}${CITE_END}`);
    for (let at = start; at < end; at += 1) characters[at] = "";
  });
  let out = "";
  for (let at = 0; at <= characters.length; at += 1) out += (before.get(at) ?? "") + (characters[at] ?? "");
  return out;
}

/** The place behind what makes a line a heading, an item or a quotation, if `at` is before it. @param {string[]} characters @param {number} at */
function behindSigns(characters, at) {
  if (at > 0 && characters[at - 1] !== "\n") return at;
  const signs = /^(?:\s{0,8}(?:#{1,6}|[-*+]|\d{1,9}[.)]|>)\s)+/.exec(characters.slice(at, at + 64).join(""));
  return signs ? at + [...signs[0]].length : at;
}

/** @param {string} text What `annotated` or `plain` made. @param {boolean} [marks] Whether `[1]` is a mark to come. @returns {Block[]} */
export function parse(text, marks = false) {
  return blocks(text.replace(/\r\n?/g, "\n").split("\n"), { marks, flag: null }, 0);
}

/** @typedef {{ marks: boolean, flag: number | null }} State */

const FENCE = /^(\s{0,3})(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const HEADING = /^\s{0,3}(#{1,6})\s+(\S.*)$/;
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^\s{0,3}>\s?(.*)$/;
/** Longer lines are no fence and no rule. */
const SIGN_MAX = 400;

/** @param {string} line @param {string} fence */
const closes = (line, fence) => line.length <= SIGN_MAX && line.trim().startsWith(fence) && line.trim().replaceAll(fence[0], "") === "";

/** @param {string} line */
const isRule = (line) => line.length <= SIGN_MAX && RULE.test(line);

/** @param {string[]} lines @param {State} state @param {number} depth @returns {Block[]} */
function blocks(lines, state, depth) {
  /** @type {Block[]} */
  const out = [];
  /** @type {string[]} */
  let text = [];
  const paragraph = () => {
    const joined = text.join("\n").trim();
    if (joined) out.push({ type: "paragraph", children: inline(joined, state) });
    text = [];
  };
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const sign = line.length > SIGN_MAX ? "" : line;
    const fence = FENCE.exec(sign);
    if (fence) {
      paragraph();
      let end = at + 1;
      while (end < lines.length && !closes(lines[end], fence[2])) end += 1;
      const body = lines.slice(at + 1, end);
      out.push({ type: "code", language: fence[3].toLowerCase(), text: shown(body.join("\n")) });
      at = end + 1;
      continue;
    }
    const math = /^\s*(\$\$|\\\[)(.*)$/.exec(line);
    if (math) {
      const close = math[1] === "$$" ? "$$" : "\\]";
      const rest = [math[2], ...lines.slice(at + 1, at + 64)];
      const last = rest.findIndex((other) => other.includes(close));
      if (last >= 0) {
        const [inside, after] = cut(rest[last], close);
        if (!after.trim()) {
          paragraph();
          out.push({ type: "math", tex: shown([...rest.slice(0, last), inside].join("\n")).trim() });
          at += last + 1;
          continue;
        }
      }
    }
    if (!line.trim()) {
      paragraph();
      at += 1;
      continue;
    }
    const heading = HEADING.exec(line);
    if (heading) {
      paragraph();
      out.push({ type: "heading", level: heading[1].length, children: inline(heading[2].trimEnd().replace(/\s#+$/, ""), state) });
      at += 1;
      continue;
    }
    if (isRule(line)) {
      paragraph();
      out.push({ type: "rule" });
      at += 1;
      continue;
    }
    if (line.includes("|") && at + 1 < lines.length && cells(lines[at + 1]).every((cell) => /^:?-+:?$/.test(cell))) {
      const head = cells(line);
      const align = cells(lines[at + 1]).map(alignment);
      if (head.length === align.length) {
        paragraph();
        const rows = [];
        at += 2;
        for (; at < lines.length && lines[at].includes("|") && lines[at].trim(); at += 1) {
          const row = cells(lines[at]).slice(0, head.length);
          while (row.length < head.length) row.push("");
          rows.push(row);
        }
        out.push({
          type: "table",
          align,
          head: head.map((cell) => inline(cell, state)),
          rows: rows.map((row) => row.map((cell) => inline(cell, state))),
        });
        continue;
      }
    }
    if (depth < DEPTH_MAX && QUOTE.test(line)) {
      paragraph();
      const inside = [];
      for (let found; at < lines.length && (found = QUOTE.exec(lines[at])); at += 1) inside.push(found[1]);
      out.push({ type: "quote", children: blocks(inside, state, depth + 1) });
      continue;
    }
    const item = ITEM.exec(line);
    if (item && depth < DEPTH_MAX && (text.length === 0 || !/^\d/.test(item[2]) || item[2].startsWith("1"))) {
      paragraph();
      const [list, next] = listAt(lines, at, state, depth);
      out.push(list);
      at = next;
      continue;
    }
    text.push(line);
    at += 1;
  }
  paragraph();
  return out;
}

/** @param {string[]} lines @param {number} at @param {State} state @param {number} depth @returns {[Block, number]} */
function listAt(lines, at, state, depth) {
  const first = /** @type {RegExpExecArray} */ (ITEM.exec(lines[at]));
  const ordered = /^\d/.test(first[2]);
  const indent = first[1].length;
  /** @type {Block[][]} */
  const items = [];
  while (at < lines.length) {
    const found = ITEM.exec(lines[at]);
    if (!found || found[1].length !== indent || /^\d/.test(found[2]) !== ordered || isRule(lines[at])) break;
    const inside = [found[3]];
    at += 1;
    for (; at < lines.length; at += 1) {
      const line = lines[at];
      const margin = line.length - line.trimStart().length;
      if (!line.trim()) {
        // A blank line belongs to the item only if more of it follows.
        const next = lines[at + 1];
        if (next === undefined || !next.trim() || next.length - next.trimStart().length <= indent) break;
        inside.push("");
      } else if (margin > indent) inside.push(line.slice(Math.min(margin, indent + 2)));
      else if (ITEM.test(line) || HEADING.test(line) || QUOTE.test(line) || FENCE.test(line)) break;
      else inside.push(line);
    }
    items.push(blocks(inside, state, depth + 1));
    // Items with one blank line between them are one list.
    const next = lines[at + 1] === undefined ? null : ITEM.exec(lines[at + 1]);
    if (at < lines.length && !lines[at].trim() && next && next[1].length === indent && /^\d/.test(next[2]) === ordered) at += 1;
  }
  return [{ type: "list", ordered, start: ordered ? Number.parseInt(first[2], 10) : 1, items }, at];
}

/** @param {string} line @returns {string[]} */
function cells(line) {
  const inside = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inside.split(/(?<!\\)\|/).slice(0, COLUMNS_MAX).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** @param {string} cell */
function alignment(cell) {
  if (cell.endsWith(":")) return cell.startsWith(":") ? "center" : "right";
  return null;
}

/** @param {string} text @param {string} at @returns {[string, string]} */
function cut(text, at) {
  const index = text.indexOf(at);
  return [text.slice(0, index), text.slice(index + at.length)];
}

/** What code and formulas hold of our own characters is none of theirs. @param {string} text */
const shown = (text) => text.replace(/\uE000\d+\uE001|\uE002\d+\uE003|\uE004/g, "");

/** @param {string} text @param {State} state @param {number} [depth] @returns {Inline[]} */
function inline(text, state, depth = 0) {
  /** @type {Inline[]} */
  const out = [];
  let run = "";
  const flush = () => {
    if (run) out.push({ type: "text", text: run, flag: state.flag });
    run = "";
  };
  const add = (/** @type {Inline} */ node) => {
    flush();
    out.push(node);
  };
  // Delimiters of which no closing one follows: looked for once.
  const missing = new Set();
  const closing = (/** @type {string} */ delimiter, /** @type {number} */ from) => {
    if (missing.has(delimiter)) return -1;
    for (let found = text.indexOf(delimiter, from); found >= 0; found = text.indexOf(delimiter, found + 1)) {
      const alone = delimiter.length > 1 || (text[found + 1] !== delimiter && text[found - 1] !== delimiter);
      const word = delimiter[0] === "_" && /[\p{L}\p{N}]/u.test(text[found + delimiter.length] ?? "");
      if (alone && !word && found > from && !/\s/.test(text[found - 1])) return found;
    }
    missing.add(delimiter);
    return -1;
  };
  let at = 0;
  while (at < text.length) {
    const c = text[at];
    const next = text[at + 1] ?? "";
    if (c === CITE) {
      const end = text.indexOf(CITE_END, at);
      add({ type: "cite", index: Number(text.slice(at + 1, end)) });
      at = end + 1;
    } else if (c === FLAG) {
      flush();
      const end = text.indexOf(FLAG_START, at);
      state.flag = Number(text.slice(at + 1, end));
      at = end + 1;
    } else if (c === FLAG_END) {
      flush();
      state.flag = null;
      at += 1;
    } else if (c === "\\" && next === "(") {
      const end = text.indexOf("\\)", at);
      if (end < 0) {
        run += c;
        at += 1;
      } else {
        add({ type: "math", tex: shown(text.slice(at + 2, end)), display: false });
        at = end + 2;
      }
    } else if (c === "\\" && /[!-/:-@[-`{-~]/.test(next)) {
      run += next;
      at += 2;
    } else if (c === "`") {
      const ticks = /^`+/.exec(text.slice(at, at + 32))?.[0] ?? "`";
      const end = missing.has(ticks) ? -1 : text.indexOf(ticks, at + ticks.length);
      if (end < 0) {
        missing.add(ticks);
        run += ticks;
        at += ticks.length;
      } else {
        add({ type: "code", text: shown(text.slice(at + ticks.length, end)).replace(/^ (.+) $/, "$1") });
        at = end + ticks.length;
      }
    } else if (c === "$") {
      const found = /^\$\$([^$]{1,2000})\$\$|^\$(?!\s)([^$\n]{1,500})(?<!\s)\$(?![\d\p{L}])/u.exec(text.slice(at, at + 2010));
      if (found) {
        add({ type: "math", tex: shown(found[1] ?? found[2]), display: found[1] !== undefined });
        at += found[0].length;
      } else {
        run += c;
        at += 1;
      }
    } else if (depth < DEPTH_MAX && (c === "*" || c === "_" || (c === "~" && next === "~"))) {
      const delimiter = next === c ? c + c : c;
      const opens = !/\s/.test(text[at + delimiter.length] ?? " ") && (c !== "_" || !/[\p{L}\p{N}]/u.test(text[at - 1] ?? ""));
      const end = opens ? closing(delimiter, at + delimiter.length) : -1;
      if (end < 0) {
        run += delimiter;
        at += delimiter.length;
      } else {
        flush();
        const type = c === "~" ? "del" : delimiter.length === 2 ? "strong" : "em";
        out.push({ type, children: inline(text.slice(at + delimiter.length, end), state, depth + 1) });
        at = end + delimiter.length;
      }
    } else if (c === "!" && next === "[") {
      const found = linkAt(text, at + 1);
      if (found) {
        add({ type: "image", alt: shown(found.label), host: address(found.to)?.host ?? "" });
        at = found.end;
      } else {
        run += c;
        at += 1;
      }
    } else if (c === "[") {
      const mark = state.marks ? /^\[(\d{1,3})\]/.exec(text.slice(at, at + 5)) : null;
      const link = depth < DEPTH_MAX ? linkAt(text, at) : null;
      const to = link ? address(link.to) : null;
      if (mark) {
        add({ type: "mark", number: Number(mark[1]) });
        at += mark[0].length;
      } else if (link && to) {
        flush();
        out.push({ type: "link", ...to, children: inline(link.label, state, depth + 1) });
        at = link.end;
      } else {
        run += c;
        at += 1;
      }
    } else if (c === "<") {
      const line = /^<br\s*\/?>/i.exec(text.slice(at, at + 8));
      const found = /^<([^\s<>]{1,2000})>/.exec(text.slice(at, at + 2010));
      const to = found ? address(found[1]) : null;
      if (line) {
        add({ type: "break" });
        at += line[0].length;
      } else if (found && to) {
        add({ type: "link", ...to, children: [{ type: "text", text: found[1], flag: state.flag }] });
        at += found[0].length;
      } else {
        run += c;
        at += 1;
      }
    } else if (c === "h" && !/[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) {
      const found = /^https?:\/\/[^\s<>"'`()[\]\uE000-\uE004]{1,2000}/.exec(text.slice(at, at + 2010));
      const url = found?.[0].replace(/[.,;:!?…。]+$/, "");
      const to = url ? address(url) : null;
      if (url && to) {
        add({ type: "link", ...to, children: [{ type: "text", text: url, flag: state.flag }] });
        at += url.length;
      } else {
        run += c;
        at += 1;
      }
    } else if (c === "\n") {
      run = run.trimEnd();
      add({ type: "break" });
      at += 1;
    } else {
      run += c;
      at += 1;
    }
  }
  flush();
  return out;
}

/** What `[label](to "title")` at this place says. @param {string} text @param {number} at @returns {{ label: string, to: string, end: number } | null} */
function linkAt(text, at) {
  const near = text.slice(at, at + LINK_MAX);
  const middle = near.indexOf("](");
  const end = middle < 0 ? -1 : near.indexOf(")", middle);
  const label = near.slice(1, Math.max(1, middle));
  if (end < 0 || label.includes("[") || label.includes("]")) return null;
  const to = near.slice(middle + 2, end).trim().split(/\s/, 1)[0].replace(/^<|>$/g, "");
  return { label, to, end: at + end + 1 };
}

/**
 * An address that a person may follow: of the web or of mail, written in full. Anything else stays text.
 * @param {string} written
 * @returns {{ href: string, host: string } | null}
 */
export function address(written) {
  if (!/^(https?:\/\/|mailto:)[\x21-\x7E\u00A1-\u1FFF\u2C00-\uD7FF\uF900-\uFFEF]+$/i.test(written)) return null;
  if (!URL.canParse(written)) return null;
  const url = new URL(written);
  if (url.username || url.password) return null;
  return { href: url.href, host: url.protocol === "mailto:" ? url.pathname : url.host };
}
