// The reader that both lanes have: the one from many tutorials. It splits at blank lines, takes lines that begin with
// `data: `, and forgives nothing else, since what a careless client makes of a stream is what is to be seen here.
import { meaning } from "./texts.js";

// Text that is waited for the end of may not grow for ever; a careless client would let it.
const MOST_HELD = 4 << 20;

// Lines that a block without data may have: it moves the position, or the time to reconnect, and nothing else.
const DATALESS = /^(:|id: |event: |retry: |$)/;

export class NaiveReader {
  #dialect;
  #separator;
  // The beginning of the next block, in the pieces that it came in: to put them together, or to look through all of them,
  // with each piece would make work that grows with the square of an endless line.
  #held = [];
  #heldLength = 0;
  // The last character, which may be the first half of a separator.
  #edge = "";
  #decoder = new TextDecoder();

  // `lines`: the body is JSON lines and no event stream.
  constructor(dialect, lines) {
    this.#dialect = dialect;
    this.#separator = lines ? "\n" : "\n\n";
  }

  // What has become readable with these bytes: [{kind, text, detail, id, beats}]; kind is one of `meaning`, "unreadable",
  // or "id" for a block that only says where the stream is.
  feed(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (!(this.#edge + text).includes(this.#separator)) {
      this.#hold(text);
      return [];
    }
    const blocks = (this.#taken() + text).split(this.#separator);
    this.#hold(blocks.pop());
    return blocks.map((block) => this.#read(block)).filter(Boolean);
  }

  #hold(text) {
    this.#held.push(text);
    this.#heldLength += text.length;
    this.#edge = (this.#edge + text).slice(-1);
    if (this.#heldLength > 2 * MOST_HELD) this.#hold(this.#taken());
  }

  // What is held, which is given up with that; of what is too long its end.
  #taken() {
    const text = this.#held.join("").slice(-MOST_HELD);
    this.#held = [];
    this.#heldLength = 0;
    this.#edge = "";
    return text;
  }

  // What stays unread at the end: a reader like this one never looks at it.
  end() {
    const rest = this.#taken().trim();
    return rest ? [unreadable(`${rest.length} characters without the blank line that it waits for`)] : [];
  }

  #read(block) {
    if (block.trim() === "") return null;
    if (this.#separator === "\n") return this.#payload({ event: "message", data: block });
    const lines = block.split("\n");
    if (lines.every((line) => line === "" || line.startsWith(":"))) return { kind: "heartbeat", text: "", detail: block.trim() };
    const fields = { event: "message", id: "" };
    for (const line of lines) {
      if (line.startsWith("event: ")) fields.event = line.slice(7);
      if (line.startsWith("id: ")) fields.id = line.slice(4);
    }
    const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
    if (data.length === 0) {
      return lines.every((line) => DATALESS.test(line)) ? { kind: "id", id: fields.id } : unreadable("no line begins with “data: ”");
    }
    const read = this.#payload({ event: fields.event, data: data.join("\n") });
    // A comment in front of an event's lines, in one block with it.
    return { ...read, id: fields.id, beats: lines.filter((line) => line.startsWith(":")).length };
  }

  #payload(payload) {
    try {
      return meaning(this.#dialect, payload);
    } catch (error) {
      return unreadable(`${error.message}: ${payload.data.slice(0, 60)}`);
    }
  }
}

function unreadable(detail) {
  return { kind: "unreadable", text: "", detail };
}
