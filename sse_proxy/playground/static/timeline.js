// Both lanes on one clock: a row each, and the seconds below. Drawn at most once a frame, and only when something changed.
import { drawMark, pageColours, sharp } from "./marks.js";

const SIDE = 12;
const ROWS = [54, 124];
const AXIS = 154;
const HEIGHT = 184;
const LEAST_SECONDS = 2;
// Half the width of the widest mark: nothing of one may leave the canvas.
const ROOM = 10;

export class Timeline {
  #canvas;
  #lanes = [];
  #names;
  #clock;
  #due = false;

  // `clock()`: seconds since the run began; it stands still after the run.
  constructor(canvas, names, clock) {
    this.#canvas = canvas;
    this.#names = names;
    this.#clock = clock;
    new ResizeObserver(() => this.touch()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.touch());
  }

  // The marks to draw: a list a lane, each mark {at, kind}.
  show(lanes) {
    this.#lanes = lanes;
    this.touch();
  }

  touch() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  #draw() {
    const width = this.#canvas.clientWidth;
    if (!width) return;
    const colours = pageColours();
    const ctx = sharp(this.#canvas, width, HEIGHT);
    const last = Math.max(0, ...this.#lanes.map((marks) => marks.at(-1)?.at ?? 0));
    const span = niceSpan(Math.max(LEAST_SECONDS, last, this.#clock()));
    const x = (seconds) => SIDE + ROOM + (seconds / span) * (width - 2 * SIDE - 2 * ROOM);
    this.#axis(ctx, x, span, width, colours);
    ROWS.forEach((y, row) => {
      ctx.fillStyle = colours("--soft");
      ctx.font = "600 12px system-ui, sans-serif";
      ctx.textAlign = "left";
      ctx.fillText(this.#names[row], SIDE, y - 32);
      ctx.strokeStyle = colours("--line");
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.moveTo(SIDE, y + 0.5);
      ctx.lineTo(width - SIDE, y + 0.5);
      ctx.stroke();
      this.#marks(ctx, this.#lanes[row] ?? [], x, y, colours);
    });
  }

  // Of marks of one kind in one pixel one is enough; what happens seldom is drawn over what happens often.
  #marks(ctx, marks, x, y, colours) {
    const taken = new Set();
    const rare = [];
    for (const { at, kind } of marks) {
      const place = `${kind}${Math.round(x(at))}`;
      if (taken.has(place)) continue;
      taken.add(place);
      if (kind === "event") drawMark(ctx, kind, x(at), y, colours);
      else rare.push([kind, x(at)]);
    }
    for (const [kind, at] of rare) drawMark(ctx, kind, at, y, colours);
  }

  #axis(ctx, x, span, width, colours) {
    const step = niceStep(span, width);
    ctx.font = "11px system-ui, sans-serif";
    ctx.textAlign = "center";
    for (let tick = 0; tick <= span + step / 1000; tick += step) {
      ctx.strokeStyle = colours("--line");
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.moveTo(x(tick), 32);
      ctx.lineTo(x(tick), AXIS);
      ctx.stroke();
      ctx.fillStyle = colours("--soft");
      ctx.fillText(`${Number(tick.toFixed(2))} s`, x(tick), AXIS + 18);
    }
  }
}

// The axis grows in steps, lest every frame moves every mark.
function niceSpan(seconds) {
  const step = 10 ** Math.floor(Math.log10(seconds)) / 2;
  return Math.ceil(seconds / step) * step;
}

// So many seconds between two ticks that their labels have room.
function niceStep(span, width) {
  const least = (span / width) * 84;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}
