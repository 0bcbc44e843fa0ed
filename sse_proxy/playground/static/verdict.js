// What a careless client would conclude of its lane, and what it does not notice.

// Silence that a person notices.
const LONG_SECONDS = 3;

const times = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// {tone, sign, head, more} of a lane at `now`, seconds of the run's clock; tone is "good", "bad", "odd" or "".
// `heartbeatSeconds`: the silence after which the proxy sends a heartbeat; 0: it sends none.
export function verdict(lane, now, heartbeatSeconds) {
  const say = SAYS[lane.phase] ?? SAYS.idle;
  const [tone, sign, head, more] = say(lane, now, heartbeatSeconds);
  return { tone, sign, head, more };
}

const SAYS = {
  idle: () => ["", "–", "Not run yet", ""],
  waiting: (lane, now) => {
    const long = now > LONG_SECONDS;
    return [long ? "odd" : "", "…", long ? "Hangs: no answer yet" : "Waiting for an answer", `${now.toFixed(1)} s without a byte`];
  },
  streaming,
  away: (lane) => ["odd", "‖", "The line is cut; connecting again", `has everything up to event ${position(lane.lastId)}`],
  cut: (lane) => ["bad", "✕", "The line was cut, and the rest is lost", `${whatIsLost(lane)}`],
  stop: (lane) => ["", "■", "Stopped by the user", `after ${times(lane.events, "event")}`],
  broken: (lane) => ["bad", "✕", "Error: the connection was lost", `after ${times(lane.events, "event")}, without a word about why`],
  end: (lane) => ended(lane),
};

function streaming(lane, now, heartbeatSeconds) {
  const silent = now - (lane.lastEvent ?? 0);
  if (silent <= LONG_SECONDS) return ["", "▸", "Streaming", resumedText(lane)];
  return ["odd", "…", `Still hanging: no event for ${silent.toFixed(1)} s`, aliveText(lane, now, heartbeatSeconds)];
}

// Who has had heartbeats knows a silence between two of them from a death.
function aliveText(lane, now, heartbeatSeconds) {
  const isOverdue = now - (lane.lastBytes ?? 0) >= Math.max(LONG_SECONDS, 1.5 * heartbeatSeconds);
  if (!lane.beats || isOverdue) return "nobody can tell whether it is alive";
  if (lane.lastBeat > (lane.lastEvent ?? 0)) return `alive: a heartbeat ${(now - lane.lastBeat).toFixed(1)} s ago`;
  return "its next heartbeat is not due yet";
}

function ended(lane) {
  if (lane.told) return ["bad", "!", `Error: ${lane.told}`, `after ${times(lane.events, "event")}; the client knows where it stands`];
  const doubts = [];
  if (lane.unreadable) doubts.push(`${times(lane.unreadable, "block")} could not be read`);
  if (!lane.text) doubts.push("it shows no text at all");
  if (!lane.finished && lane.request.dialect !== "generic") doubts.push("its API’s own end never came");
  if (doubts.length) return ["odd", "?", "Looks complete", `yet ${doubts.join(", and ")}; the client notices nothing`];
  return ["good", "✓", "Looks complete", resumedText(lane) || "and is, by its API’s own end"];
}

function whatIsLost(lane) {
  if (!lane.request.keeps) return `after ${times(lane.events, "event")}; nothing was kept for a reconnect`;
  return `after ${times(lane.events, "event")}; none had an id to come back with`;
}

function resumedText(lane) {
  return lane.resumed === null ? "" : `cut, and continued after event ${lane.resumed}: nothing is missing`;
}

// The number in an event's id, `<stream>.<n>`.
export function position(id) {
  return id.includes(".") ? id.slice(id.lastIndexOf(".") + 1) : id || "0";
}
