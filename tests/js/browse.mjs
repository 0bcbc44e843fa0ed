// One Chromium for many page visits.
//
//   node browse.mjs <path of the browser>
//
// Reads a visit a line from stdin, {id, url, call, argument}: a page of its own loads `url` and calls the function `call`
// that it has put on `window`, with `argument`. `window.setOffline(true)` takes the network away from the page, as the
// DevTools do, and `false` gives it back. Writes a line when the browser is ready, {version}, and one a visit, in
// the order in which they end: {id, value} or {id, error}. Ends with stdin, and all visits with it.
import { createInterface } from "node:readline";
import { launch } from "./chromium.mjs";

const browser = await launch(process.argv[2]);

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// A context of its own has cookies, caches and connections of its own.
async function visit({ id, url, call, argument }) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.exposeFunction("setOffline", (offline) => context.setOffline(offline));
    await page.goto(url);
    const value = await page.evaluate(([name, given]) => window[name](given), [call, argument]);
    tell({ id, value: value ?? null });
  } catch (error) {
    tell({ id, error: String(error.message) });
  }
  await context.close().catch(() => {}); // it may be gone with the browser
}

tell({ version: browser.version() });
for await (const line of createInterface({ input: process.stdin })) visit(JSON.parse(line));
await browser.close();
