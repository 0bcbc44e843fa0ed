// Streams answers through one client and prints what the client made of them, as one JSON line.
//
//   node drive.mjs <client: a module of clients/>  <  {"cases": […], "concurrency": 8}
//
// A case: {call, baseURL, model, body (merged over the default request), headers, timeoutMs, maxRetries}. A client is
//   connect(case)   the SDK's client object, or a promise of it; once a case, and before its time begins to run
//   CALLS           one row a call: open(client, case) gives the stream, text(event), finish(event) and usage(event) say
//                   what of an event is that, final(stream) is the whole text as a helper has put it together
//   close()         ends what the module has started for all cases
// of which all but `open` and `text` may be missing. The result of a case: {text, events, finish, usage, final, error:
// {names, message, status, code} | null}. Whatever the client throws is a result, not a failure of this script, and so
// is `Hung`, when it has not ended after timeoutMs. Results come in the order of the cases.
class Hung extends Error {}

const { CALLS, close, connect } = await import(`./clients/${process.argv[2]}.mjs`);

// The names of the error's class and of those it descends from.
function names(error) {
  const found = [];
  for (let kind = error?.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) found.push(kind.name);
  return found;
}

async function read(row, client, options, result) {
  const stream = await row.open(client, options);
  for await (const event of stream) {
    result.events += 1;
    result.text += row.text(event) ?? "";
    result.finish = row.finish?.(event) ?? result.finish;
    result.usage = row.usage?.(event) ?? result.usage;
  }
  result.final = (await row.final?.(stream)) ?? null;
}

async function run(given) {
  const options = { model: "test", body: {}, headers: {}, maxRetries: 0, ...given };
  const client = await connect?.(options);
  const result = { text: "", events: 0, finish: null, usage: null, final: null, error: null };
  let timer;
  const limit = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Hung(`no end after ${options.timeoutMs} ms`)), options.timeoutMs);
  });
  const reading = read(CALLS[options.call], client, options, result);
  try {
    await Promise.race([reading, limit]);
  } catch (error) {
    result.error = {
      names: names(error),
      message: String(error?.message ?? error),
      status: error?.status ?? error?.statusCode ?? null,
      // Anthropic's SDK keeps the body as it came.
      code: error?.code ?? error?.error?.error?.code ?? null,
    };
  } finally {
    clearTimeout(timer);
    reading.catch(() => {}); // of one that hung and was left behind
  }
  return { ...result };
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { cases, concurrency = 8 } = JSON.parse(Buffer.concat(chunks).toString());
const results = new Array(cases.length);
let next = 0;
async function work() {
  while (next < cases.length) {
    const number = next++;
    results[number] = await run(cases[number]);
  }
}
await Promise.all(Array.from({ length: concurrency }, work));
await close?.();
// What hung has still its connections.
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
