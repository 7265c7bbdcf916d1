// The Vercel AI SDK's OpenAI provider, by both of its doors: a chat with a tool each, whole and streamed.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const dure = createOpenAI({ baseURL: process.env.DURE_URL, apiKey: process.env.DURE_KEY });
const MODEL = process.env.DURE_MODEL ?? "fake";
const PROMPT = process.env.DURE_PROMPT ?? '<tool_call>\n{"name": "weather", "arguments": {"city": "해솔"}}\n</tool_call>';
const weather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `${city}: 맑음`,
});
const usual = { tools: { weather }, temperature: 0, maxRetries: 0 };
// The fake engine says the same again when it has the result, so one step is asked for.
const asked = { ...usual, prompt: PROMPT, stopWhen: stepCountIs(1) };

for (const model of [dure.chat(MODEL), dure(MODEL)]) {
  const called = await generateText({ model, toolChoice: "required", ...asked });
  assert.equal(called.toolCalls[0].toolName, "weather", called.text);
  assert(called.toolResults[0].output.endsWith(": 맑음"));
  // What was called and answered goes back, as this client writes it (items by their ids, where the door keeps them).
  const messages = [{ role: "user", content: PROMPT }, ...called.response.messages, { role: "user", content: "그래서?" }];
  const said = await generateText({ model, ...usual, messages, toolChoice: "none" });
  assert(said.text.length > 0);
  if (MODEL === "fake") assert.equal(said.text, "그래서?");

  const stream = streamText({ model, ...asked, toolChoice: "required", onError: ({ error }) => { throw error; } });
  const parts = new Set();
  for await (const part of stream.fullStream) parts.add(part.type);
  assert(parts.has("tool-call") && parts.has("tool-result"), [...parts].join());
  assert((await stream.usage).totalTokens > 0);
}
