// What a pool shows, live, on any page: `watch(pool, skus, callback)`, and `<stock-badge sku pool>` without a script.
//
// Two rules carry it. The item with the higher `rev` wins, whatever order things arrive in. And whenever a line was
// lost, what is held is told (`known`) and the rest comes again, so nothing that was missed has to be asked for.

const SUBPROTOCOL = "hub.v1.json";
// The hub says something at least every 20 s; after twice that the line is dead though nobody said so.
const SILENCE_MS = 40_000;
// When the browser is back from somewhere, a line on which a heartbeat is overdue is not waited for; another has so long
// to answer.
const OVERDUE_MS = 22_000;
const PROOF_MS = 4_000;
// No pool is called so, and nobody minds that it is watched no longer; but it is answered.
const NOBODYS = { pool: "-".repeat(64), skus: ["-"] };
const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 30_000;
// A WebSocket that could not be opened so often in a row is not let through: go on with Server-Sent Events.
const SOCKETS_TRIED = 2;
// A message has at most 64 KiB; a SKU is there twice, once with what is known of it.
const MESSAGE_BYTES_AIM = 50_000;
const CLOSE_NEW_TOKEN = 4401;
// These, and the others of 44xx: do not come back unchanged.
const CLOSE_FOR_GOOD = new Set([1008, 1009]);
// One name that the hub cannot read would spoil the message that it shares with good ones.
const SKU_CHARS_MAX = 128;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/;
const POOL = /^[A-Za-z0-9._-]{1,64}$/;
// What a stream is answered that was asked for something that is not there, or is no name.
const NOT_ASKABLE = new Map([[400, "malformed"], [404, "unknown_pool"], [422, "malformed"]]);

// The hub that served this module; a page that has it from elsewhere says where the hub is.
const HOME = new URL(import.meta.url).origin;

/** The newest item of each SKU of each pool; a shared state machine, the same in every client. */
export class Newest {
  #items = new Map();

  /** Take a message of the hub; returns the items that are news. */
  take(message) {
    return (message.items ?? []).filter((item) => item.pool !== undefined && this.learn(item));
  }

  /** Keep an item if its `rev` is higher than that of the one held. */
  learn(item) {
    const key = keyOf(item.pool, item.sku);
    const held = this.#items.get(key);
    if (held !== undefined && held.rev >= item.rev) return false;
    this.#items.set(key, item);
    return true;
  }

  get(pool, sku) {
    return this.#items.get(keyOf(pool, sku));
  }

  forget(pool, sku) {
    this.#items.delete(keyOf(pool, sku));
  }
}

// What is connected, to be tried again at once when the browser is back: from a tunnel, from sleep, from another page.
const connecting = new Set();
const hurry = (isOtherNetwork) => connecting.forEach((hub) => hub.hurry(isOtherNetwork));
addEventListener("online", () => hurry(true));
addEventListener("pageshow", ({ persisted }) => persisted && hurry(false));
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry(false));

/** All that this page watches at one hub with one token, over one socket, or one stream for each pool. */
class Hub {
  #newest = new Newest();
  // pool -> name -> its watchers; a name is a SKU or an alias of one.
  #watched = new Map();
  // Aliases: a name -> the SKU that it stands for, and a SKU -> the names under which it is watched.
  #meant = new Map();
  #called = new Map();
  // What was wished since the last turn: pool -> SKUs.
  #wished = new Map();
  #options;
  #line = null;
  #failures = 0;
  #unopened = 0;
  #retry = 0;
  #isGivenUp = false;

  constructor(options) {
    this.#options = options;
  }

  // The line may be dead though nobody said so, and it takes long until its silence does.
  hurry(isOtherNetwork) {
    if (this.#line === null) this.#connectSoon(0);
    else this.#line.prove(isOtherNetwork);
  }

  watch(watcher, start) {
    connecting.add(this);
    for (const item of start) this.#newest.learn({ pool: watcher.pool, ...item });
    const pool = entry(this.#watched, watcher.pool, () => new Map());
    for (const name of watcher.skus) {
      const watchers = entry(pool, name, () => new Set());
      watchers.add(watcher);
      const held = this.#held(watcher.pool, name);
      if (held !== undefined) queueMicrotask(() => watchers.has(watcher) && watcher.tell(held));
      if (watchers.size === 1) this.#wish(watcher.pool, name);
    }
    return () => this.#leave(watcher);
  }

  #leave(watcher) {
    const pool = this.#watched.get(watcher.pool);
    const left = watcher.skus.filter((name) => pool?.get(name)?.delete(watcher) && pool.get(name).size === 0);
    for (const name of left) {
      pool.delete(name);
      this.#mean(watcher.pool, name, undefined);
      if (!this.#called.has(keyOf(watcher.pool, name))) this.#newest.forget(watcher.pool, name);
    }
    if (pool?.size === 0) this.#watched.delete(watcher.pool);
    if (left.length > 0) this.#line?.unsubscribe(watcher.pool, left);
    if (this.#watched.size === 0) this.#hangUp();
  }

  #held(pool, name) {
    return this.#newest.get(pool, this.#meant.get(keyOf(pool, name)) ?? name);
  }

  // From now on the name stands for this SKU; for itself, where it is left out.
  #mean(pool, name, sku) {
    const [key, before] = [keyOf(pool, name), this.#meant.get(keyOf(pool, name))];
    if (before === sku) return;
    if (before !== undefined) {
      const names = this.#called.get(keyOf(pool, before));
      names.delete(name);
      if (names.size === 0) {
        this.#called.delete(keyOf(pool, before));
        if (!this.#watched.get(pool)?.has(before)) this.#newest.forget(pool, before);
      }
    }
    if (sku === undefined) this.#meant.delete(key);
    else {
      this.#meant.set(key, sku);
      entry(this.#called, keyOf(pool, sku), () => new Set()).add(name);
    }
  }

  // A hundred badges of one page are one message.
  #wish(pool, name) {
    if (this.#wished.size === 0) queueMicrotask(() => this.#tellWishes());
    entry(this.#wished, pool, () => new Set()).add(name);
  }

  #tellWishes() {
    const wished = this.#wished;
    this.#wished = new Map();
    if (this.#line === null) return this.#connectSoon(0);
    for (const [pool, names] of wished) {
      this.#subscribe(pool, [...names].filter((name) => this.#watched.get(pool)?.has(name)));
    }
  }

  #subscribe(pool, names) {
    for (const some of inMessages(names)) {
      // What an alias stands for may have changed, so what is known of that is told again.
      const held = some.map((name) => this.#newest.get(pool, name)).filter((item) => item !== undefined);
      this.#line.subscribe(pool, some, Object.fromEntries(held.map(({ sku, rev }) => [sku, rev])));
    }
  }

  #connectSoon(waitMs) {
    clearTimeout(this.#retry);
    if (this.#line === null && this.#watched.size > 0 && !this.#isGivenUp) {
      this.#retry = setTimeout(() => this.#connect(), waitMs);
    }
  }

  async #connect() {
    const { live, hub, token, onstate } = this.#options;
    onstate?.("connecting");
    let bearer;
    try {
      bearer = typeof token === "function" ? await token() : token;
    } catch {
      return this.#lost(0);
    }
    if (this.#line !== null || this.#watched.size === 0) return;
    const heard = {
      open: () => this.#opened(),
      message: (message, asked) => this.#hear(message, asked),
      lost: (how) => this.#ended(how),
    };
    const isSocket = live !== undefined && this.#unopened < SOCKETS_TRIED;
    this.#line = isSocket ? new Socket(live, bearer, heard) : new Streams(hub, bearer, heard);
  }

  #opened() {
    for (const [pool, skus] of this.#watched) this.#subscribe(pool, [...skus.keys()]);
  }

  // `asked`: of an answer, the pool and names that were asked for.
  #hear(message, asked) {
    let learned = [];
    if (message.op === "subscribed") {
      this.#failures = this.#unopened = 0;
      this.#options.onstate?.("live");
      learned = this.#resolve(asked, message.items);
    } else if (message.op === "error" && message.code !== "unauthenticated") {
      this.#options.onerror?.(message);
    }
    // What nobody watches any more, and came late, is not kept.
    const items = (message.items ?? []).filter((item) => this.#namesOf(item).length > 0);
    for (const item of this.#newest.take({ items })) {
      for (const name of this.#namesOf(item)) if (!learned.includes(name)) this.#tell(item.pool, name, item);
    }
    for (const name of learned) this.#tell(asked.pool, name, this.#held(asked.pool, name));
  }

  #tell(pool, name, item) {
    for (const watcher of this.#watched.get(pool)?.get(name) ?? []) watcher.tell(item);
  }

  #namesOf({ pool, sku }) {
    const names = [...(this.#called.get(keyOf(pool, sku)) ?? [])];
    return this.#watched.get(pool)?.has(sku) ? [sku, ...names] : names;
  }

  // An alias is answered under the house's SKU, in the place where it was asked for; returns those that are new.
  #resolve({ pool, skus }, items) {
    const [asked, told] = [new Set(skus), new Set(items.map(({ sku }) => sku))];
    const others = items.filter(({ sku }) => !asked.has(sku));
    const open = skus.filter((name) => !told.has(name) && this.#newest.get(pool, name) === undefined);
    if (others.length !== open.length) {
      // Two names of one SKU, which comes once: ask for each alone.
      if (skus.length > 1) this.#line.askEach(pool, open);
      return [];
    }
    const learned = open.filter((name, place) => this.#meant.get(keyOf(pool, name)) !== others[place].sku);
    open.forEach((name, place) => this.#mean(pool, name, others[place].sku));
    return learned;
  }

  // wasOpen; code: of a close; waitMs: that the hub asks for; isHurried: no other page is likely to come now too.
  #ended({ wasOpen, code, waitMs = 0, isHurried = false }) {
    this.#line = null;
    if (!wasOpen) this.#unopened += 1;
    const needsToken = code === CLOSE_NEW_TOKEN;
    const isFinal = CLOSE_FOR_GOOD.has(code) || (code >= 4400 && code < 4500);
    if (needsToken ? typeof this.#options.token !== "function" : isFinal) {
      this.#isGivenUp = true;
      this.#options.onstate?.("refused");
      return;
    }
    this.#lost(waitMs, isHurried);
  }

  #lost(waitMs, isHurried = false) {
    this.#options.onstate?.("lost");
    if (isHurried) return this.#connectSoon(0);
    // Full jitter: a hub that comes back is not met by all its pages in the same second.
    const ceiling = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#connectSoon(waitMs + Math.random() * ceiling);
  }

  #hangUp() {
    connecting.delete(this);
    clearTimeout(this.#retry);
    this.#line?.close();
    this.#line = null;
  }
}

/** One WebSocket for everything. */
class Socket {
  #socket;
  #silence = new Silence(() => this.#end(1006));
  #heard;
  #isOpen = false;
  #isOver = false;
  #ref = 0;
  // ref -> what was asked for, until it is answered.
  #asked = new Map();

  constructor(live, token, heard) {
    this.#heard = heard;
    this.#socket = new WebSocket(new URL("/v1/live", live), SUBPROTOCOL);
    this.#silence.broken();
    this.#socket.addEventListener("open", () => {
      this.#isOpen = true;
      if (token) this.#say({ op: "auth", token });
      heard.open();
    });
    this.#socket.addEventListener("message", ({ data }) => {
      this.#silence.broken();
      if (!this.#isOver) this.#hear(data);
    });
    this.#socket.addEventListener("close", ({ code }) => this.#end(code));
  }

  subscribe(pool, skus, known) {
    const ref = ++this.#ref;
    this.#asked.set(ref, { pool, skus });
    this.#say({ op: "subscribe", ref, pool, skus, known });
  }

  askEach(pool, skus) {
    for (const sku of skus) this.subscribe(pool, [sku], {});
  }

  unsubscribe(pool, skus) {
    for (const some of inMessages(skus)) this.#say({ op: "unsubscribe", ref: ++this.#ref, pool, skus: some });
  }

  prove(isOtherNetwork) {
    if (this.#silence.lastedMs > OVERDUE_MS || (isOtherNetwork && !this.#isOpen)) {
      this.close();
      this.#heard.lost({ wasOpen: true, isHurried: true });
    } else if (this.#isOpen) {
      this.#say({ op: "unsubscribe", ref: ++this.#ref, ...NOBODYS });
      this.#silence.endsWithin(PROOF_MS);
    }
  }

  close() {
    this.#isOver = true;
    this.#silence.over();
    this.#socket.close();
  }

  #hear(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      // Whatever it was is lost; the next line brings it again.
      return this.#end(1006);
    }
    if (typeof message?.op !== "string") return this.#end(1006);
    const asked = this.#asked.get(message.ref);
    this.#asked.delete(message.ref);
    if (message.op !== "subscribed" || asked !== undefined) this.#heard.message(message, asked);
  }

  #say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #end(code) {
    if (this.#isOver) return;
    this.close();
    this.#heard.lost({ wasOpen: this.#isOpen, code });
  }
}

/** A stream of Server-Sent Events for each pool; another wish begins its pool's stream anew, with all that is known. */
class Streams {
  #hub;
  #token;
  #heard;
  // pool -> {skus, known, abort, silence}
  #pools = new Map();
  #isOver = false;

  constructor(hub, token, heard) {
    this.#hub = hub;
    this.#token = token;
    this.#heard = heard;
    queueMicrotask(() => this.#isOver || heard.open());
  }

  subscribe(pool, skus, known) {
    const wish = entry(this.#pools, pool, () => ({ skus: new Set(), known: {}, abort: null }));
    for (const sku of skus) wish.skus.add(sku);
    Object.assign(wish.known, known);
    this.#begin(pool, wish);
  }

  // A stream has one answer for all; what each name stands for is read beside it.
  async askEach(pool, skus) {
    for (const sku of skus) {
      const url = new URL(`/v1/availability?${new URLSearchParams({ pool, sku })}`, this.#hub);
      const answer = await fetch(url, { headers: this.#bearer() }).catch(() => ({ ok: false }));
      if (this.#isOver || !answer.ok) return;
      const items = (await answer.json()).items.map((item) => ({ pool, ...item }));
      this.#heard.message({ op: "subscribed", items }, { pool, skus: [sku] });
    }
  }

  unsubscribe(pool, skus) {
    const wish = this.#pools.get(pool);
    for (const sku of skus) wish?.skus.delete(sku);
    if (wish?.skus.size === 0) {
      this.#pools.delete(pool);
      wish.abort?.abort();
    }
  }

  // Nothing can be asked over a stream, but what is begun anew costs little: all that is known is told with it.
  prove(isOtherNetwork) {
    for (const [pool, wish] of this.#pools) {
      if (isOtherNetwork || wish.silence?.lastedMs > OVERDUE_MS) this.#begin(pool, wish);
    }
  }

  close() {
    this.#isOver = true;
    for (const { abort } of this.#pools.values()) abort?.abort();
  }

  // Several wishes of one turn are one stream.
  #begin(pool, wish) {
    wish.abort?.abort();
    const abort = (wish.abort = new AbortController());
    queueMicrotask(async () => {
      if (abort.signal.aborted || this.#isOver) return;
      const how = await this.#follow(pool, wish, abort).catch(() => ({ wasOpen: true }));
      // One that was begun anew, or is wished no longer, did not fail.
      if (this.#isOver || wish.abort !== abort || this.#pools.get(pool) !== wish) return;
      this.close();
      this.#heard.lost(how);
    });
  }

  async #follow(pool, wish, abort) {
    const { known } = wish;
    const asked = { pool, skus: [...wish.skus] };
    const silence = (wish.silence = new Silence(() => abort.abort()));
    silence.broken();
    try {
      const answer = await fetch(new URL("/v1/live/sse", this.#hub), {
        method: "POST",
        body: JSON.stringify({ ...asked, known }),
        headers: { "Content-Type": "application/json", ...this.#bearer() },
        signal: abort.signal,
        cache: "no-store",
      });
      if (NOT_ASKABLE.has(answer.status)) {
        // As over a socket, where the other pools go on.
        this.#pools.delete(pool);
        const { detail } = await answer.json();
        this.#heard.message({ op: "error", code: NOT_ASKABLE.get(answer.status), detail });
        return {};
      }
      if (!answer.ok) return this.#refused(answer);
      return await this.#read(answer, asked, known, silence, abort);
    } finally {
      silence.over();
    }
  }

  async #read(answer, asked, known, silence, abort) {
    let code = 1006;
    for await (const message of messagesOf(answer.body, () => silence.broken())) {
      if (abort.signal.aborted) break;
      for (const { sku, rev } of message.items ?? []) if (asked.skus.includes(sku)) known[sku] = Math.max(rev, known[sku] ?? 0);
      if (message.code === "unauthenticated") code = CLOSE_NEW_TOKEN;
      this.#heard.message(message, asked);
    }
    return { wasOpen: true, code };
  }

  #bearer() {
    return this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
  }

  #refused(answer) {
    const waitMs = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
    if (answer.status === 429 || answer.status >= 500) return { wasOpen: true, waitMs };
    return { wasOpen: true, code: answer.status === 401 ? CLOSE_NEW_TOKEN : 4400 };
  }
}

/** Calls back when nothing was heard for too long. */
class Silence {
  #timer = 0;
  #told;
  // By the wall clock: others stand still while the machine sleeps.
  #sinceMs = Date.now();

  constructor(told) {
    this.#told = told;
  }

  get lastedMs() {
    return Date.now() - this.#sinceMs;
  }

  broken() {
    this.#sinceMs = Date.now();
    this.endsWithin(SILENCE_MS);
  }

  endsWithin(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#told, ms);
  }

  over() {
    clearTimeout(this.#timer);
  }
}

async function* messagesOf(body, onSound) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onSound();
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield JSON.parse(line.slice(5));
  }
}

function* inMessages(skus) {
  const encoder = new TextEncoder();
  let some = [];
  let size = 0;
  for (const sku of skus) {
    // Twice, each with quotes and a comma, and a number beside one of them; escaped it may be six times as long.
    size += 2 * encoder.encode(JSON.stringify(sku)).length + 20;
    if (size > MESSAGE_BYTES_AIM) {
      yield some;
      some = [];
      size = 2 * encoder.encode(JSON.stringify(sku)).length + 20;
    }
    some.push(sku);
  }
  if (some.length > 0) yield some;
}

function entry(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

function keyOf(pool, sku) {
  return `${pool} ${sku}`;
}

// Characters are code points, and neither as it is written nor in normal form may there be too many, as at the hub.
function isSku(name) {
  if (typeof name !== "string" || CONTROLS.test(name) || /\p{Surrogate}/u.test(name)) return false;
  return name !== "" && [name, name.normalize("NFC")].every((one) => [...one].length <= SKU_CHARS_MAX);
}

const hubs = new Map();

/**
 * Watch what a pool shows of some SKUs; `callback(item)` gets each newer item, first those that are there already.
 * Returns a function that ends it. `options`: see stock.d.ts.
 */
export function watch(pool, skus, callback, { start = [], ...options } = {}) {
  const { hub = HOME, live, token, onstate, onerror } = options;
  const tell = (item) => {
    try {
      callback(item);
    } catch (error) {
      // One page's mistake keeps no other watcher from hearing.
      reportError(error);
    }
  };
  const isShared = token === undefined && onstate === undefined && onerror === undefined;
  const make = () => new Hub({ hub, live, token, onstate, onerror });
  const at = isShared ? entry(hubs, keyOf(hub, live), make) : make();
  const names = [...new Set(skus)];
  const wrong = names.filter((name) => !isSku(name)).map((name) => `${JSON.stringify(name)} is not a SKU.`);
  if (!POOL.test(pool)) wrong.push(`${JSON.stringify(pool)} is not the name of a pool.`);
  for (const detail of wrong) queueMicrotask(() => onerror?.({ op: "error", code: "malformed", detail }));
  const askable = POOL.test(pool) ? names.filter(isSku) : [];
  return askable.length === 0 ? () => {} : at.watch({ pool, skus: askable, tell }, start);
}

// Texts of a badge; an attribute of the same name replaces one: low_stock="Plus que {available}".
const TEXTS = {
  in_stock: "In stock",
  low_stock: "Only {available} left",
  out_of_stock: "Sold out",
  preorder: "Pre-order",
  backorder: "On order",
};
// Where the pool shows no number.
const FEW = "Few left";

/**
 * `<stock-badge sku pool>`: says what the pool shows, and stays up to date. What the server rendered inside stays until
 * there is a newer item than its `rev`; `status` and `available` are there as attributes, for styles.
 */
class StockBadge extends HTMLElement {
  static observedAttributes = ["sku", "pool", "hub", "live"];
  #stop = null;

  connectedCallback() {
    this.#begin();
  }

  disconnectedCallback() {
    this.#stop?.();
    this.#stop = null;
  }

  attributeChangedCallback(name, before, now) {
    if (!this.isConnected || this.#stop === null || before === now) return;
    if (name !== "live") this.#clear();
    this.#begin();
  }

  // What was shown was of another article.
  #clear() {
    for (const name of ["status", "available", "rev"]) this.removeAttribute(name);
    this.textContent = "";
  }

  #begin() {
    this.#stop?.();
    const [sku, pool] = [this.getAttribute("sku"), this.getAttribute("pool")];
    this.#stop = () => {};
    if (!sku || !pool) return;
    if (!this.hasAttribute("aria-live")) this.setAttribute("aria-live", "polite");
    const options = { hub: this.getAttribute("hub") ?? HOME, live: this.getAttribute("live") ?? undefined };
    const rendered = Number(this.getAttribute("rev") ?? -1);
    this.#stop = watch(pool, [sku], (item) => item.rev > rendered && this.#show(item), options);
  }

  #show(item) {
    for (const name of ["status", "available", "rev"]) {
      if (item[name] === undefined) this.removeAttribute(name);
      else this.setAttribute(name, item[name]);
    }
    const usual = item.status === "low_stock" && item.available === undefined ? FEW : TEXTS[item.status];
    const text = this.getAttribute(item.status) ?? usual ?? item.status;
    const available = item.available === undefined ? "" : `${item.available}${item.capped ? "+" : ""}`;
    const shown = text.replace("{available}", available);
    // The same text again would be read out again.
    if (this.textContent !== shown) this.textContent = shown;
    this.dispatchEvent(new CustomEvent("stock", { detail: item, bubbles: true }));
  }
}

// Loaded twice, from two addresses, the first one serves both.
if (!customElements.get("stock-badge")) customElements.define("stock-badge", StockBadge);
