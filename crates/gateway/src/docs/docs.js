// Draws the contract: every operation by group, with what it takes and gives. It reads /openapi.json and nothing else.

const METHODS = ["get", "post", "put", "patch", "delete"];

/** An element with text or children; text is never read as markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A sentence whose parts in backticks are code. */
function words(text = "") {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}

function resolve(contract, schema) {
  const reference = schema?.$ref;
  if (!reference) return schema ?? {};
  return reference.slice(2).split("/").reduce((place, step) => place?.[step], contract) ?? {};
}

const nameOf = (schema) => schema?.$ref?.split("/").pop();

/** A schema in one line. */
function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const several = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (several) return several.map(kind).join(schema.allOf ? " & " : " | ");
  const types = [schema.type ?? "any"].flat().join(" | ");
  if (types.startsWith("array")) return `${kind(schema.items)}[]`;
  return schema.format ? `${types} (${schema.format})` : types;
}

/** An example value of a schema, as JSON. */
function example(contract, schema, depth = 0) {
  if (depth > 6) return null;
  if (schema?.$ref) return example(contract, resolve(contract, schema), depth + 1);
  if (schema?.examples) return schema.examples[0];
  if (schema?.enum) return schema.enum[0];
  const several = schema?.oneOf ?? schema?.anyOf;
  if (several) return example(contract, several.find((one) => one.type !== "null") ?? several[0], depth + 1);
  if (schema?.allOf) return Object.assign({}, ...schema.allOf.map((one) => example(contract, one, depth + 1)));
  const type = [schema?.type].flat()[0];
  if (type === "object") {
    const entries = Object.entries(schema.properties ?? {});
    return Object.fromEntries(entries.map(([name, value]) => [name, example(contract, value, depth + 1)]));
  }
  if (type === "array") return [example(contract, schema.items, depth + 1)];
  return { string: "text", integer: 0, number: 0, boolean: false }[type] ?? null;
}

function properties(contract, schema) {
  const whole = resolve(contract, schema);
  const required = new Set(whole.required ?? []);
  const rows = Object.entries(whole.properties ?? {}).map(([name, value]) =>
    element(
      "tr",
      {},
      element("td", {}, required.has(name) ? name : `${name}?`),
      element("td", {}, kind(value)),
      element("td", {}, ...words(value.description ?? resolve(contract, value).description)),
    ),
  );
  return rows.length ? element("table", {}, ...rows) : null;
}

function content(contract, title, media, parts) {
  for (const [type, { schema }] of Object.entries(media ?? {})) {
    parts.push(element("h3", {}, `${title}: ${type} ${nameOf(schema) ?? kind(schema)}`));
    const table = properties(contract, schema);
    if (table) parts.push(table);
  }
}

function curl(contract, method, path, operation) {
  const lines = [`curl -X ${method.toUpperCase()} "$DURE${path}"`, `-H "Authorization: Bearer $KEY"`];
  const json = operation.requestBody?.content?.["application/json"]?.schema;
  if (json) lines.push(`-d '${JSON.stringify(example(contract, json))}'`);
  else if (operation.requestBody?.content?.["multipart/form-data"]) lines.push(`-F "file=@document.md"`);
  return lines.join(" \\\n  ");
}

function operationOf(contract, path, method, operation) {
  const parts = [];
  if (operation.description) parts.push(element("p", {}, ...words(operation.description)));
  const rows = (operation.parameters ?? []).map((one) =>
    element(
      "tr",
      {},
      element("td", {}, one.required ? one.name : `${one.name}?`),
      element("td", {}, `${one.in}, ${kind(one.schema)}`),
      element("td", {}, ...words(one.description)),
    ),
  );
  if (rows.length) parts.push(element("h3", {}, "Parameters"), element("table", {}, ...rows));
  content(contract, "Body", operation.requestBody?.content, parts);
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    content(contract, `Answer ${status}`, resolve(contract, answer).content, parts);
  }
  parts.push(element("h3", {}, "As a command"), element("pre", {}, curl(contract, method, path, operation)));
  const summary = element(
    "summary",
    {},
    element("span", { class: "method" }, method),
    element("span", { class: "path" }, path),
    element("span", { class: "about" }, ...words(operation.summary)),
  );
  const shown = element("details", { id: operation.operationId }, summary);
  // A closed one is not drawn: the whole contract is long.
  shown.addEventListener("toggle", () => {
    if (shown.open && shown.children.length === 1) shown.append(element("div", { class: "body" }, ...parts));
  });
  shown.dataset.words = `${method} ${path} ${operation.summary ?? ""}`.toLowerCase();
  return shown;
}

function draw(contract) {
  document.getElementById("version").textContent = contract.info.version;
  const groups = new Map();
  for (const [path, item] of Object.entries(contract.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationOf(contract, path, method, item[method]));
    }
  }
  const about = contract.info.description.split("\n\n").map((text) => element("p", {}, ...words(text)));
  const sections = [...groups].map(([tag, operations]) =>
    element("section", { id: `tag-${tag}` }, element("h2", {}, tag), ...operations),
  );
  document.getElementById("main").replaceChildren(...about, ...sections);
  document
    .getElementById("tags")
    .replaceChildren(...[...groups.keys()].map((tag) => element("a", { href: `#tag-${tag}` }, tag)));
  document.getElementById("find").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const section of sections) {
      let any = false;
      for (const one of section.querySelectorAll("details")) {
        one.hidden = !words.every((word) => one.dataset.words.includes(word));
        any ||= !one.hidden;
      }
      section.hidden = !any;
    }
  });
  const named = location.hash && document.getElementById(location.hash.slice(1));
  if (named) {
    if (named.tagName === "DETAILS") named.open = true;
    named.scrollIntoView();
  }
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  draw(await answer.json());
} catch (error) {
  document.getElementById("main").textContent = `The contract could not be read: ${error.message}`;
}
