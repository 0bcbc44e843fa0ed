// One Chromium, driven page by page, for the tests of the playground.
//
//   node playground.mjs <path of the browser>
//
// Reads a command a line from stdin, {id, do, page, …}, and answers each with a line, {id, value} or {id, error}, in
// order. Pages are named by whoever opens them; each has a context of its own, in which nothing but this machine can be
// reached. What a page complains about is kept: console errors, exceptions, requests that failed, or would have left.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { launch } from "./chromium.mjs";

const AXE = new URL("node_modules/axe-core/axe.min.js", import.meta.url);
const LOOPBACK = /^(127\.0\.0\.1|\[::1\]|localhost)$/;

const browser = await launch(process.argv[2]);
const pages = new Map();

async function open({ page: name, url, width, height, scheme, bypass }) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    // The checker of accessibility is no part of the page, which lets nothing in.
    bypassCSP: Boolean(bypass),
    deviceScaleFactor: 1,
  });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const complaints = [];
  const asked = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) => complaints.push(`failed: ${request.failure()?.errorText} ${request.url()}`));
  page.on("request", (request) => asked.push({ url: request.url(), method: request.method(), headers: request.headers() }));
  await context.route((target) => !LOOPBACK.test(target.hostname) && target.protocol !== "data:", (route) => {
    complaints.push(`left this machine: ${route.request().url()}`);
    return route.abort();
  });
  pages.set(name, { context, page, complaints, asked });
  const response = await page.goto(url);
  return { status: response.status() };
}

const COMMANDS = {
  open,
  // Whatever a page can compute; `wait` until it is true. The functions are made here, since the page lets no text become
  // code.
  eval: ({ page, argument, source }) => page.evaluate(new Function("given", source), argument),
  async wait({ page, argument, source }) {
    await page.waitForFunction(new Function("given", source), argument, { polling: 50 });
  },
  click: ({ page, selector }) => page.click(selector),
  // What the person's system asks of a page: {reducedMotion, forcedColors}.
  media: ({ page, media }) => page.emulateMedia(media),
  press: ({ page, key }) => page.keyboard.press(key),
  async set({ page, selector, value }) {
    const tag = await page.$eval(selector, (element) => (element.type === "checkbox" ? "checkbox" : element.tagName));
    if (tag === "SELECT") await page.selectOption(selector, value);
    else if (tag === "checkbox") await page.setChecked(selector, value);
    else await page.fill(selector, value);
  },
  async axe({ page }) {
    await page.evaluate(await readFile(AXE, "utf8"));
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`) }));
  },
  // From the top of the page down to the end of an element.
  async shot({ page, path, selector }) {
    await page.mouse.move(0, 0);
    const height = await page.$eval(selector, (element) => {
      const { left, bottom } = element.getBoundingClientRect();
      return Math.ceil(bottom + window.scrollY + Math.min(left, 16));
    });
    await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: page.viewportSize().width, height } });
  },
  complaints: ({ complaints }) => complaints,
  asked: ({ asked }) => asked,
  close: ({ context }) => context.close(),
};

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

tell({ version: browser.version() });
for await (const text of createInterface({ input: process.stdin })) {
  const command = JSON.parse(text);
  try {
    const known = command.do === "open" ? command : { ...command, ...pages.get(command.page) };
    tell({ id: command.id, value: (await COMMANDS[command.do](known)) ?? null });
  } catch (error) {
    tell({ id: command.id, error: String(error.message) });
  }
}
await browser.close();
