// The official client for Node, over the whole API, with the fake engine.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.DURE_URL, apiKey: process.env.DURE_KEY, maxRetries: 0 });
const QUESTION = "전 직원이 참여하는 누출 대응 훈련을 해마다 몇 월에 하나요?";
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "해솔"}}\n</tool_call>';
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const user = (content) => [{ role: "user", content }];

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert(names.includes("fake") && names.includes("records"), names.join());

const chat = await client.chat.completions.create({ model: "records", messages: user(QUESTION) });
const { content, annotations } = chat.choices[0].message;
assert(annotations.length > 0, content);
for (const { url_citation: mark } of annotations) assert.equal(content[mark.start_index], "[");

let streamed = "";
const chunks = await client.chat.completions.create({ model: "fake", messages: user("물은 흐른다"), stream: true });
for await (const chunk of chunks) streamed += chunk.choices[0]?.delta.content ?? "";
assert.equal(streamed, "물은 흐른다");

const tools = [{ type: "function", function: { name: "weather", parameters } }];
const called = client.chat.completions.stream({ model: "fake", messages: user(CALL), tools });
const [call] = (await called.finalChatCompletion()).choices[0].message.tool_calls;
assert.deepEqual(JSON.parse(call.function.arguments), { city: "해솔" });

const completion = await client.completions.create({ model: "fake", prompt: "옛날 옛적에" });
assert.equal(completion.choices[0].text, "옛날 옛적에");

const embedded = await client.embeddings.create({ model: "fake", input: ["물", "불", "물"] });
const [one, two, three] = embedded.data.map((item) => item.embedding);
assert.deepEqual(one, three);
assert.notDeepEqual(one, two);

const response = await client.responses.create({ model: "fake", input: "강을 따라" });
assert.equal(response.output_text, "강을 따라");
const next = await client.responses.create({ model: "fake", input: "흐른다", previous_response_id: response.id });
assert(next.usage.input_tokens > response.usage.input_tokens);

const stream = client.responses.stream({ model: "fake", input: CALL, tools: [{ type: "function", name: "weather", parameters, strict: false }] });
const kinds = new Set();
for await (const event of stream) kinds.add(event.type);
assert(kinds.has("response.function_call_arguments.delta") && kinds.has("response.completed"), [...kinds].join());
assert.equal((await stream.finalResponse()).output[0].name, "weather");

await client.responses.delete(response.id);
await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ model: "nothing", messages: user("x") }), OpenAI.NotFoundError);

// A client that leaves in the middle gets what it waited for and no more.
const left = await client.chat.completions.create({ model: "fake", messages: user("가나다라 ".repeat(1000)), stream: true });
for await (const chunk of left) if (chunk.choices[0]?.delta.content) break;
assert(left.controller.signal.aborted);
