// The code to copy with an official SDK, in Python and in JavaScript; as in snippets.js.
import { json, python } from "./snippets.js";

const pretty = (value) => JSON.stringify(value, null, 2);
const argumentsOf = (body) => Object.entries(body).map(([name, value]) => `\n    ${name}=${python(value)},`).join("");
// An object as the arguments of a call in JavaScript, without those that there are none of.
const optionsOf = (given) => {
  const said = Object.entries(given).filter(([, value]) => Object.keys(value).length);
  return said.map(([name, value]) => `${name}: ${json(value)}`).join(", ");
};

// Method of the client, and how its chunks are read, in Python and JavaScript.
const OPENAI = {
  openai_chat: ["chat.completions.create", 'chunk.choices[0].delta.content or "" if chunk.choices else ""', 'chunk.choices[0]?.delta?.content ?? ""'],
  openai_completions: ["completions.create", 'chunk.choices[0].text if chunk.choices else ""', 'chunk.choices[0]?.text ?? ""'],
  openai_responses: [
    "responses.create",
    'chunk.delta if chunk.type == "response.output_text.delta" else ""',
    'chunk.type === "response.output_text.delta" ? chunk.delta : ""',
  ],
};

export function openaiPython({ origin, body, query, dialect, secret }) {
  const [call, text] = OPENAI[dialect];
  const extra = Object.keys(query).length ? `\n    extra_query=${python(query)},` : "";
  return `from openai import OpenAI

client = OpenAI(base_url=${json(`${origin}/v1`)}, api_key=${json(secret || "unused")})
stream = client.${call}(${argumentsOf(body)}${extra}
)
for chunk in stream:
    print(${text}, end="", flush=True)
print()
`;
}

export function openaiJs({ origin, body, query, dialect, secret }) {
  const [call, , text] = OPENAI[dialect];
  const said = optionsOf({ query });
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${json(`${origin}/v1`)}, apiKey: ${json(secret || "unused")} });
const stream = await client.${call}(${pretty(body)}${said && `, { ${said} }`});
let answer = "";
for await (const chunk of stream) answer += ${text};
console.log(answer);
`;
}

export function anthropicPython({ origin, body, query, secret }) {
  const { stream: _asked, ...rest } = body;
  const extra = Object.keys(query).length ? `\n    extra_query=${python(query)},` : "";
  return `from anthropic import Anthropic

client = Anthropic(base_url=${json(origin)}, api_key=${json(secret || "unused")})
with client.messages.stream(${argumentsOf(rest)}${extra}
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
`;
}

export function anthropicJs({ origin, body, query, secret }) {
  const { stream: _asked, ...rest } = body;
  const said = optionsOf({ query });
  return `import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: ${json(origin)}, apiKey: ${json(secret || "unused")} });
const stream = client.messages.stream(${pretty(rest)}${said && `, { ${said} }`});
let answer = "";
stream.on("text", (text) => (answer += text));
await stream.done();
console.log(answer);
`;
}

// A path may have been typed: a stray % in it is one.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// What Google's SDKs take: the model stands in the path, and what is not the contents is their `config`.
function gemini({ path, body }) {
  const { contents, generationConfig, ...rest } = body;
  const config = { ...generationConfig, ...rest };
  const model = decoded(/\/models\/([^/:]+)/.exec(path)?.[1] ?? "MODEL");
  return { model, contents: contents ?? [], ...(Object.keys(config).length && { config }) };
}

export function genaiPython({ origin, path, body, mock, secret }) {
  const headers = Object.keys(mock).length ? `, "headers": ${python(mock)}` : "";
  return `from google import genai

client = genai.Client(
    api_key=${json(secret || "unused")},
    http_options={"base_url": ${json(origin)}${headers}},
)
stream = client.models.generate_content_stream(${argumentsOf(gemini({ path, body }))}
)
for chunk in stream:
    print(chunk.text or "", end="", flush=True)
print()
`;
}

export function genaiJs({ origin, path, body, mock, secret }) {
  const said = optionsOf({ headers: mock });
  return `import { GoogleGenAI } from "@google/genai";

const client = new GoogleGenAI({
  apiKey: ${json(secret || "unused")},
  httpOptions: { baseUrl: ${json(origin)}${said && `, ${said}`} },
});
const stream = await client.models.generateContentStream(${pretty(gemini({ path, body }))});
let answer = "";
for await (const chunk of stream) answer += chunk.text ?? "";
console.log(answer);
`;
}

const ollamaHeaders = ({ mock, secret }) => ({ ...mock, ...(secret && { Authorization: `Bearer ${secret}` }) });

// The client's call for a path, and where its chunks have their text.
const ollamaCall = (path) => (/\/generate\b/.test(path) ? ["generate", "response"] : ["chat", "message.content"]);

export function ollamaPython({ origin, path, body, mock, secret }) {
  const [call, text] = ollamaCall(path);
  const headers = ollamaHeaders({ mock, secret });
  return `from ollama import Client

with Client(host=${json(origin)}${Object.keys(headers).length ? `, headers=${python(headers)}` : ""}) as client:
    stream = client.${call}(${argumentsOf({ ...body, stream: true }).replaceAll("\n", "\n    ")}
    )
    for chunk in stream:
        print(chunk.${text} or "", end="", flush=True)
print()
`;
}

export function ollamaJs({ origin, path, body, mock, secret }) {
  const [call, text] = ollamaCall(path);
  const said = optionsOf({ headers: ollamaHeaders({ mock, secret }) });
  return `import { Ollama } from "ollama";

const client = new Ollama({ host: ${json(origin)}${said && `, ${said}`} });
const stream = await client.${call}(${pretty({ ...body, stream: true })});
let answer = "";
for await (const chunk of stream) answer += chunk.${text};
console.log(answer);
`;
}
