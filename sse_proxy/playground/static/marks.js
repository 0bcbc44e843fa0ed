// The marks of the timeline: each kind has a shape and a colour of its own, so that it reads without colour.

const line = (ctx, ...points) => {
  ctx.beginPath();
  points.forEach(([x, y], at) => (at ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
};

// Kind -> {label, colour: a name of page.css, draw(ctx, x, y)}, in the order of the legend.
export const MARKS = {
  event: { label: "event", colour: "--event", draw: (ctx, x, y) => line(ctx, [x, y - 9], [x, y + 9]) },
  heartbeat: {
    label: "heartbeat, comment",
    colour: "--heartbeat",
    draw(ctx, x, y) {
      line(ctx, [x, y - 6], [x + 5, y], [x, y + 6], [x - 5, y], [x, y - 6]);
    },
  },
  unreadable: {
    label: "unreadable",
    colour: "--unreadable",
    draw(ctx, x, y) {
      line(ctx, [x - 5, y - 21], [x + 5, y - 11]);
      line(ctx, [x - 5, y - 11], [x + 5, y - 21]);
    },
  },
  repair: {
    label: "repaired",
    colour: "--repair",
    draw(ctx, x, y) {
      line(ctx, [x - 6, y - 16], [x + 6, y - 16]);
      line(ctx, [x, y - 22], [x, y - 10]);
    },
  },
  error: {
    label: "error told",
    colour: "--error",
    draw(ctx, x, y) {
      ctx.strokeRect(x - 7, y - 24, 14, 14);
      line(ctx, [x, y - 21], [x, y - 16]);
      ctx.fillRect(x - 1, y - 14, 2, 2);
    },
  },
  end: {
    label: "end",
    colour: "--end",
    draw(ctx, x, y) {
      ctx.beginPath();
      ctx.arc(x, y, 6, 0, 2 * Math.PI);
      ctx.fill();
    },
  },
  broken: {
    label: "broken off",
    colour: "--error",
    draw: (ctx, x, y) => line(ctx, [x + 3, y - 11], [x - 3, y - 3], [x + 3, y + 3], [x - 3, y + 11]),
  },
  cut: {
    label: "cut here",
    colour: "--turn",
    draw(ctx, x, y) {
      line(ctx, [x - 2, y - 12], [x - 2, y + 12]);
      line(ctx, [x + 2, y - 12], [x + 2, y + 12]);
    },
  },
  resume: {
    label: "resumed",
    colour: "--end",
    draw(ctx, x, y) {
      ctx.beginPath();
      ctx.moveTo(x - 4, y - 8);
      ctx.lineTo(x + 8, y);
      ctx.lineTo(x - 4, y + 8);
      ctx.closePath();
      ctx.fill();
    },
  },
  stop: { label: "stopped", colour: "--turn", draw: (ctx, x, y) => ctx.fillRect(x - 6, y - 6, 12, 12) },
};

// Draws one mark, in the colour that the page has for it now.
export function drawMark(ctx, kind, x, y, colours) {
  const mark = MARKS[kind];
  ctx.strokeStyle = ctx.fillStyle = colours(mark.colour);
  ctx.lineWidth = kind === "event" ? 1.5 : 2;
  mark.draw(ctx, x, y);
}

// The page's colours by name, read once for each drawing.
export function pageColours() {
  const style = getComputedStyle(document.documentElement);
  const known = new Map();
  return (name) => {
    if (!known.has(name)) known.set(name, style.getPropertyValue(name).trim());
    return known.get(name);
  };
}

// A canvas made as sharp as the screen is; its context, in CSS pixels.
export function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.lineJoin = "round";
  return ctx;
}

// These stand above the row, where no other mark hides them.
const ABOVE = new Set(["repair", "unreadable", "error"]);

export function fillLegend(list) {
  const colours = pageColours();
  list.replaceChildren();
  for (const [kind, { label }] of Object.entries(MARKS)) {
    const item = document.createElement("li");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    drawMark(sharp(canvas, 18, 18), kind, 9, ABOVE.has(kind) ? 26 : 9, colours);
    item.append(canvas, label);
    list.append(item);
  }
}
