// What the page asks of the proxy about itself. The token is in this module's memory and nowhere else.

// Where the proxy is mounted: the page's own address, up to the reserved prefix.
export const ROOT = location.pathname.split("/-/sse-proxy/")[0];
export const HERE = `${ROOT}/-/sse-proxy/playground`;

let token = "";

export function useToken(given) {
  token = given.trim();
}

export function hasToken() {
  return token !== "";
}

// The headers that let a request in.
export function credentials() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// The JSON at a path of ours. Rejects with an error that has the `status`.
export async function ask(path) {
  const response = await fetch(path, { headers: credentials(), cache: "no-store" });
  if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
  return response.json();
}

// Calls `tick` now and then once in so many milliseconds, but not while the page is hidden; a slow answer is waited for.
export function every(milliseconds, tick) {
  let timer = 0;
  let busy = false;
  const turn = async () => {
    clearTimeout(timer);
    if (document.hidden || busy) return;
    busy = true;
    await tick();
    busy = false;
    timer = setTimeout(turn, milliseconds);
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return turn;
}
