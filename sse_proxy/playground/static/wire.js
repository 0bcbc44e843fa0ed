// The raw view: bytes as they are on the wire, with what cannot be seen spelled out. Bounded: the oldest go first.

const MOST_CHARACTERS = 16_384;
// Around what is spelled out, so that a line end looks like none that a payload has in letters. For private use, and
// spelled out themselves where a stream holds them.
const OPEN = "\ue000";
const CLOSE = "\ue001";
const SPELLED = /[\u0000-\u001f\u007f\u0085\u2028\u2029\ue000\ue001\ufeff\ufffd]/g;
const NAMES = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\ufffd": "\\x??" };

export class Wire {
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #text = "";

  feed(bytes) {
    this.say(this.#decoder.decode(bytes, { stream: true }).replace(SPELLED, spell));
  }

  // A remark of the page's own, on a line of its own.
  remark(text) {
    this.say(`\n${OPEN}— ${text} —${CLOSE}\n`);
  }

  say(text) {
    const all = this.#text + text;
    this.#text = all.length > MOST_CHARACTERS ? `…${all.slice(-MOST_CHARACTERS)}` : all;
  }

  // Shows it in *element*, at its end unless somebody has scrolled up to read.
  show(element) {
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    element.replaceChildren(...this.#text.split(/(\ue000[^\ue001]*\ue001)/).map(piece));
    if (atEnd) element.scrollTop = element.scrollHeight;
  }
}

function spell(character) {
  const name = NAMES[character] ?? `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`;
  return `${OPEN}${name}${CLOSE}${character === "\n" ? "\n" : ""}`;
}

function piece(text) {
  if (!text.startsWith(OPEN)) return document.createTextNode(text);
  const element = document.createElement("span");
  element.className = "spelled";
  element.textContent = text.slice(1, -1);
  return element;
}
