// Serves the guide's Hono app on a free port of 127.0.0.1 until stdin ends. Writes the port, and then a line "left" for
// each client that leaves before its answer is whole.
import { serve } from "@hono/node-server";
import app from "./guide/hono.mjs";

function fetch(request, env) {
  request.signal.addEventListener("abort", () => console.log("left"));
  return app.fetch(request, env);
}

serve({ fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => console.log(port));
process.stdin.on("end", () => process.exit()).resume();
