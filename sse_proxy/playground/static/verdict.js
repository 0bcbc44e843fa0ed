// What a careless client would conclude of its lane, and what it does not notice.

// Silence that a person notices.
const LONG_SECONDS = 3;

const times = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// {tone, sign, head, more} of a lane at `now`, seconds of the run's clock; tone is "good", "bad", "odd" or "".
export function verdict(lane, now) {
  const say = SAYS[lane.phase] ?? SAYS.idle;
  const [tone, sign, head, more] = say(lane, now);
  return { tone, sign, head, more };
}

const SAYS = {
  idle: () => ["", "–", "Not run yet", ""],
  waiting: (lane, now) => {
    const long = now > LONG_SECONDS;
    return [long ? "odd" : "", "…", long ? "Hangs: no answer yet" : "Waiting for an answer", `${now.toFixed(1)} s without a byte`];
  },
  streaming: (lane, now) => streaming(lane, now),
  away: (lane) => ["odd", "‖", "The line is cut; connecting again", `has everything up to event ${position(lane.lastId)}`],
  cut: (lane) => ["bad", "✕", "The line was cut, and the rest is lost", `${whatIsLost(lane)}`],
  stop: (lane) => ["", "■", "Stopped by the user", `after ${times(lane.events, "event")}`],
  broken: (lane) => ["bad", "✕", "Error: the connection was lost", `after ${times(lane.events, "event")}, without a word about why`],
  end: (lane) => ended(lane),
};

function streaming(lane, now) {
  const silent = now - (lane.lastEvent ?? 0);
  const alive = lane.beats && lane.lastBytes !== null && now - lane.lastBytes < LONG_SECONDS;
  if (silent <= LONG_SECONDS) return ["", "▸", "Streaming", resumedText(lane)];
  const more = alive ? `alive: a heartbeat ${(now - lane.lastBytes).toFixed(1)} s ago` : "nobody can tell whether it is alive";
  return ["odd", "…", `Still hanging: no event for ${silent.toFixed(1)} s`, more];
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
