// The code to copy: functions from what is asked to text. Each is whole: it runs as it stands, and prints the answer.
// `asked`: {url, origin, path, method, headers, body, query, mock, dialect, bridge, secret}; `body` is parsed, null of a
// GET; `mock`: the demo's switches as headers, for those who can send no query. The SDKs' are in sdks.js.

// Where the text of one payload is, in both languages; null: the payload is the text.
const TEXT = {
  openai_chat: ['chunk.choices[0]?.delta?.content ?? ""', '"".join(choice["delta"].get("content") or "" for choice in chunk["choices"])'],
  openai_completions: ['chunk.choices[0]?.text ?? ""', '"".join(choice["text"] for choice in chunk["choices"])'],
  openai_responses: [
    'chunk.type === "response.output_text.delta" ? chunk.delta : ""',
    'chunk["delta"] if chunk["type"] == "response.output_text.delta" else ""',
  ],
  anthropic: ['chunk.delta?.text ?? ""', 'chunk.get("delta", {}).get("text", "")'],
  ollama: ['chunk.message?.content ?? ""', 'chunk["message"]["content"]'],
  gemini: [
    '(chunk.candidates[0]?.content?.parts ?? []).map((part) => part.text).join("")',
    '"".join(part["text"] for one in chunk["candidates"] for part in one.get("content", {}).get("parts", []))',
  ],
  tokens: ['chunk.token ?? ""', 'chunk.get("token", "")'],
};

export const json = (value) => JSON.stringify(value);

// A word of a POSIX shell.
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

// A value of JSON as Python writes it.
export function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value !== "object") return json(value);
  return `{${Object.entries(value).map(([name, one]) => `${json(name)}: ${python(one)}`).join(", ")}}`;
}

export function curl({ url, headers, body }) {
  const lines = [`curl -N ${quoted(url)}`, ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`)];
  if (body) lines.push(`-d ${quoted(json(body))}`);
  return `${lines.join(" \\\n  ")}\n`;
}

export function javascript({ url, method, headers, body, dialect }) {
  const options = body
    ? `, {\n  method: "${method}",\n  headers: ${json(headers)},\n  body: JSON.stringify(${json(body)}),\n}`
    : Object.keys(headers).length ? `, { headers: ${json(headers)} }` : "";
  const take = TEXT[dialect]
    ? `const chunk = JSON.parse(data);\n    if (chunk.error) throw new Error(chunk.error.message ?? chunk.error);\n    text += ${TEXT[dialect][0]};`
    : "text += data;";
  return `const response = await fetch(${json(url)}${options});
if (!response.ok) throw new Error(\`HTTP \${response.status}: \${await response.text()}\`);

let text = "";
let rest = "";
const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
for (let read; !(read = await reader.read()).done; ) {
  const blocks = (rest + read.value).split("\\n\\n");
  rest = blocks.pop();
  for (const block of blocks) {
    const lines = block.split("\\n").filter((line) => line.startsWith("data: "));
    const data = lines.map((line) => line.slice(6)).join("\\n");
    if (!data || data === "[DONE]") continue;
    ${take}
  }
}
console.log(text);
`;
}

export function httpx({ url, method, headers, body, dialect }) {
  const json_ = body ? `\nbody = ${python(body)}` : "";
  const take = TEXT[dialect]
    ? `chunk = json.loads(data)
        if "error" in chunk and chunk["error"]:
            raise RuntimeError(chunk["error"])
        text += ${TEXT[dialect][1]}`
    : "text += data";
  return `import json

import httpx

url = ${json(url)}
headers = ${python(headers)}${json_}
text = ""


def take(data: str) -> None:
    global text
    if data and data != "[DONE]":
        ${take}


# The proxy is never silent for so long: it sends heartbeats.
with httpx.stream("${method}", url, headers=headers${body ? ", json=body" : ""}, timeout=30) as response:
    if response.is_error:
        raise RuntimeError(response.read().decode())
    data: list[str] = []
    for line in response.iter_lines():
        if line.startswith("data: "):
            data.append(line[6:])
        elif not line:  # a blank line ends an event
            take("\\n".join(data))
            data = []
print(text)
`;
}

// Examples of the repository, in full, and how they are called here.
export const bridged = (source, call) => ({ bridge }) => `${source}\n${call(bridge)}`;
