// Results of OpenAI's SDK for Node with a server, one line per feature: `name | outcome`.
//
// Arguments: llama or litellm, the base URL. The key is in KEY.

import OpenAI from "openai";

const [server, baseURL] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: process.env.KEY, maxRetries: 0 });

const [chat, tools, embed] = {
  llama: ["tiny", "tiny-tools", "tiny-embed"],
  litellm: ["mock", "mock-tools", "mock-embed"],
}[server];
const chatBody = {
  messages: [{ role: "user", content: "Where is the tower?" }],
  temperature: 0,
  seed: 1,
  max_tokens: 24,
};
const city = { type: "object", properties: { city: { enum: ["Paris", "Rome"] } }, required: ["city"] };
const weather = {
  tools: [{ type: "function", function: { name: "weather", parameters: city } }],
  tool_choice: { type: "function", function: { name: "weather" } },
};

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function failure(call) {
  try {
    await call;
    return "no error";
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.message];
  }
}

const features = {
  chat: () => client.chat.completions.create({ model: chat, ...chatBody }),
  "chat, headers": async () => {
    const { data, response } = await client.chat.completions.create({ model: chat, ...chatBody }).withResponse();
    return [response.status, response.headers.get("content-type"), data.choices[0].message];
  },
  stream: async () => all(await client.chat.completions.create({ model: chat, ...chatBody, stream: true })),
  "stream, usage requested": async () =>
    all(await client.chat.completions.create({
      model: chat, ...chatBody, stream: true, stream_options: { include_usage: true },
    })),
  "stream() helper": async () => {
    const stream = client.chat.completions.stream({ model: chat, ...chatBody });
    const parts = [];
    stream.on("content", (part) => parts.push(part));
    return [await stream.finalContent(), parts];
  },
  tools: async () => (await client.chat.completions.create({ model: tools, ...chatBody, ...weather })).choices,
  completions: () => client.completions.create({ model: chat, prompt: "Where is", temperature: 0, seed: 1, max_tokens: 9 }),
  embeddings: () => client.embeddings.create({ model: embed, input: "the tower", encoding_format: "float" }),
  "parallel streams": async () => {
    const one = async () => all(await client.chat.completions.create({ model: chat, ...chatBody, stream: true }));
    const streams = await Promise.all(Array.from({ length: 4 }, one));
    const text = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
    return streams.map(text);
  },
  "a stream closed early": async () => {
    const stream = await client.chat.completions.create({ model: chat, ...chatBody, max_tokens: 500, stream: true });
    for await (const chunk of stream) {
      stream.controller.abort();
      return chunk.choices[0].delta;
    }
  },
  timeout: () => failure(client.chat.completions.create({ model: chat, ...chatBody }, { timeout: 1 })),
};

const of = {
  llama: {
    "tools in a stream": async () =>
      (await client.chat.completions.stream({ model: tools, ...chatBody, ...weather }).finalChatCompletion()).choices,
    "structured output": () =>
      client.chat.completions.create({
        model: chat, ...chatBody, response_format: { type: "json_object", schema: city },
      }),
    "an invalid value": () => failure(client.chat.completions.create({ model: chat, ...chatBody, temperature: "hot" })),
  },
  litellm: {
    responses: async () => (await client.responses.create({ model: chat, input: "Where is the tower?" })).output_text,
    "status 429": () => failure(client.chat.completions.create({ model: "mock-429", ...chatBody })),
    "status 500": () => failure(client.chat.completions.create({ model: "mock-500", ...chatBody })),
  },
};

for (const [name, call] of Object.entries({ ...features, ...of[server] })) {
  console.log(`${name} | ${JSON.stringify(await call())}`);
}
