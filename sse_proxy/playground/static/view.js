// A lane on the page. What a stream holds becomes text nodes and nothing else.
import { verdict } from "./verdict.js";

const NUMBERS = [
  ["ttft", "First token"],
  ["gap", "Largest gap"],
  ["events", "Events"],
  ["beats", "Heartbeats"],
  ["unreadable", "Unreadable"],
  ["bytes", "Bytes"],
];

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function bytesText(count) {
  if (count < 10_000) return `${count} B`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

const seconds = (value) => (value === null ? "–" : `${value.toFixed(2)} s`);

export class LaneView {
  constructor(parent, id, title) {
    this.parts = {
      chain: element("p", { className: "chain" }),
      sign: element("span", { className: "sign", ariaHidden: "true" }),
      head: element("b"),
      more: element("span", { className: "more" }),
      after: element("p", { className: "hint after" }),
      text: element("div", { className: "text", tabIndex: 0, role: "region", ariaLabel: `${title}: text so far` }),
      raw: element("pre", { className: "raw", tabIndex: 0, role: "region", ariaLabel: `${title}: bytes on the wire` }),
    };
    const { chain, sign, head, more, after, text, raw } = this.parts;
    this.verdict = element("div", { className: "verdict" }, sign, head, more);
    const numbers = element("dl", { className: "numbers" });
    for (const [name, label] of NUMBERS) {
      this.parts[name] = element("dd", { textContent: "–" });
      numbers.append(element("div", {}, element("dt", { textContent: label }), this.parts[name]));
    }
    const heading = element("h2", { id: `${id}-title`, textContent: title });
    this.card = element("section", { className: "card lane", id }, heading, chain, this.verdict, after, numbers);
    this.card.setAttribute("aria-labelledby", heading.id);
    this.card.append(
      element("div", {}, element("span", { className: "label", textContent: "Text, as it grows" }), text),
      element("div", {}, element("span", { className: "label", textContent: "On the wire" }), raw),
    );
    parent.append(this.card);
  }

  // The verdict as a part of a sentence.
  get said() {
    const { head, more } = this.parts;
    return [head.textContent, more.textContent].filter(Boolean).join(", ");
  }

  // `now` and `heartbeatSeconds` as in `verdict`.
  show(lane, now, heartbeatSeconds) {
    const { tone, sign, head, more } = verdict(lane, now, heartbeatSeconds);
    this.verdict.dataset.tone = tone;
    this.card.dataset.phase = lane.phase;
    this.#set("sign", sign);
    this.#set("head", head);
    this.#set("more", more);
    this.#set("ttft", seconds(lane.first));
    this.#set("gap", seconds(this.#gap(lane, now)));
    this.#set("events", String(lane.events));
    this.#set("beats", String(lane.beats));
    this.#set("unreadable", String(lane.unreadable));
    this.#set("bytes", bytesText(lane.bytes));
    const { text, raw } = this.parts;
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
    this.#set("text", lane.text);
    if (atEnd) text.scrollTop = text.scrollHeight;
    lane.wire.show(raw);
  }

  // A gap counts while it lasts, too.
  #gap(lane, now) {
    if (lane.lastEvent === null) return null;
    return lane.running ? Math.max(lane.gap, now - lane.lastEvent) : lane.gap;
  }

  after(text) {
    this.#set("after", text);
  }

  chain(text) {
    this.#set("chain", text);
  }

  #set(name, text) {
    const part = this.parts[name];
    if (part.textContent !== text) part.textContent = text;
  }
}
