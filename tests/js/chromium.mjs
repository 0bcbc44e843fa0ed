// Starts the system's Chromium, quiet and without a window.
import { chromium } from "playwright-core";

const SWITCHES = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  "--no-sandbox", // refused to root otherwise; all pages are our own
];

export const launch = (executablePath) => chromium.launch({ executablePath, headless: true, args: SWITCHES });
