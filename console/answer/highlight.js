// Colours for code: comments, strings, numbers, and words that most languages keep for themselves.

const WORDS = new Set(
  "abstract and as assert async await bool boolean break case catch char class const continue crate def default del delete do double elif else end enum except export extends extern false final finally float fn for from func function global goto if impl implements import in instanceof int interface is let lambda long loop match mod module mut namespace new nil none not null of or package pass private protected pub public raise return self short static string struct super switch template then this throw trait true try type typedef typeof unsafe use using var void where while with yield select insert update create table into values join on group by order limit having union distinct null true false echo fi done esac None True False Self".split(" "),
);

const HASHED = new Set(["py", "python", "sh", "bash", "shell", "yaml", "yml", "toml", "rb", "ruby", "r", "conf", "ini"]);
const DASHED = new Set(["sql", "lua", "hs", "haskell"]);

/**
 * Pieces of a code with the kind that each is of; together they are the code.
 * @param {string} text @param {string} language
 * @returns {{ kind: string, text: string }[]}
 */
export function pieces(text, language) {
  if (text.length > 20_000 || ["", "text", "txt", "plain", "markdown", "md"].includes(language)) return [{ kind: "", text }];
  const line = HASHED.has(language) ? "#" : DASHED.has(language) ? "--" : "\\/\\/";
  const comment = HASHED.has(language) || DASHED.has(language) ? `${line}[^\\n]*` : `${line}[^\\n]*|\\/\\*[^]*?(?:\\*\\/|$)`;
  const token = new RegExp(`(${comment})|("(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*'|\`(?:[^\`\\\\]|\\\\.)*\`)|\\b(\\d[\\d_.]*(?:e[+-]?\\d+)?\\w*)|([A-Za-z_]\\w*)`, "g");
  const out = [];
  let at = 0;
  for (const found of text.matchAll(token)) {
    const kind = found[1] ? "comment" : found[2] ? "string" : found[3] ? "number" : WORDS.has(language === "sql" ? found[0].toLowerCase() : found[0]) ? "word" : "";
    if (!kind) continue;
    if (found.index > at) out.push({ kind: "", text: text.slice(at, found.index) });
    out.push({ kind, text: found[0] });
    at = found.index + found[0].length;
  }
  if (at < text.length) out.push({ kind: "", text: text.slice(at) });
  return out;
}
