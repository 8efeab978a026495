// The body of an async function of a `trace`: plays it to the client for pages, over a WebSocket that is played too,
// one watch for each SKU. Returns what is shown in the end, and each step where the client did otherwise.

const sockets = [];

class PlayedSocket extends EventTarget {
  static OPEN = 1;
  readyState = 0;
  sent = [];

  constructor() {
    super();
    sockets.push(this);
  }

  send(text) {
    const { ref, ...message } = JSON.parse(text);
    if (message.known && Object.keys(message.known).length === 0) delete message.known;
    this.sent.push(message);
  }

  close() {
    this.readyState = 3;
  }

  happens(type, fields = {}) {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

// Long waits are played; what is soon comes soon.
const LONG_MS = 5_000;
const [soon, cancel] = [globalThis.setTimeout, globalThis.clearTimeout];
const waits = new Map();
let nowMs = 0;
globalThis.setTimeout = (told, ms = 0) => {
  if (ms < LONG_MS) return soon(told, ms);
  const wait = {};
  waits.set(wait, { dueMs: nowMs + ms, told });
  return wait;
};
globalThis.clearTimeout = (wait) => waits.delete(wait) || cancel(wait);
const pass = (ms) => {
  nowMs += ms;
  for (const [wait, { dueMs, told }] of waits) if (dueMs <= nowMs && waits.delete(wait)) told();
};

globalThis.WebSocket = PlayedSocket;
// Another connection is tried at once.
Math.random = () => 0;
const { watch } = await import(`/stock.js?${Math.floor(performance.now() * 1000)}`);

const until = async (holds) => {
  for (let turn = 0; turn < 200 && !holds(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  return holds();
};
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const tokens = trace.steps.map(({ opened }) => opened).filter(Boolean);
const [shown, told, states, errors, unlike] = [new Map(), [], [], [], []];
const options = {
  live: "ws://hub.example",
  // Of one object, so that all watches share a connection.
  ...(tokens.length > 0 && { token: () => tokens.shift() ?? "another" }),
};
const { pool, skus } = trace.watch;
const show = (name) => (item) => {
  shown.set(name, item);
  told.push(item.sku);
};
if (tokens.length > 0 || trace.steps.some(({ next }) => next === "no")) {
  options.onstate = (state) => states.push(state);
  options.onerror = (error) => errors.push(error);
  // One watch has one connection of its own then; what it shows is told apart by the SKU.
  watch(pool, skus, (item) => show(item.sku)(item), options);
} else {
  for (const name of skus) watch(pool, [name], show(name), options);
}

let used = 0;
let hasStayed = false;
for (const [place, step] of trace.steps.entries()) {
  const differs = (what) => unlike.push(`step ${place + 1}: ${what}`);
  const socket = sockets[used - 1];
  told.length = 0;
  if ("opened" in step) {
    if (hasStayed) continue;
    if (!(await until(() => sockets.length === used + 1))) differs("no connection is tried");
    used = sockets.length;
    sockets[used - 1].readyState = 1;
    sockets[used - 1].happens("open");
    await until(() => sockets[used - 1].sent.length >= step.says.length);
    if (!same(sockets[used - 1].sent, step.says)) differs(`said ${JSON.stringify(sockets[used - 1].sent)}`);
    continue;
  }
  if ("silent_seconds" in step) pass(1_000 * step.silent_seconds);
  else if ("closed" in step) socket.happens("close", { code: step.closed ?? 1006 });
  else socket.happens("message", { data: step.text ?? JSON.stringify(step.frame) });
  await until(() => true);
  if (!hasStayed && "frame" in step && !same([...told].sort(), [...(step.news ?? [])].sort())) {
    // It may know better than to begin anew: then what comes again is no news.
    if (step.next === "with jitter") hasStayed = true;
    else differs(`told ${told}`);
  } else if (step.next === "no") {
    const isOver = await until(() => states.at(-1) === "refused" || errors.length > 0);
    if (!isOver) differs("nobody was told that it is for good");
  } else if (step.next && !(await until(() => sockets.length === used + 1))) {
    differs("it does not come back");
  }
}
return { shows: Object.fromEntries([...shown.values()].map((item) => [item.sku, item])), unlike };
