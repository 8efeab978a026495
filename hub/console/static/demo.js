// The demo page: three screens, each on its own connection to the hub, and one press that changes all of them.

import { send, warm, newId, now } from "./events.js";
import { LiveScreen } from "./live.js";
import { Presses, whole } from "./latency.js";

const UNSEEN_AFTER_MS = 10_000;

const $ = (selector, within = document) => within.querySelector(selector);
const sell = $("#sell");
const receive = $("#receive");
const tillNote = $("#till-note");
const presses = new Presses($("#chart"), $("#presses-note"));

const screens = {};
const states = {};
let session = null;
// The press whose effect the screens are still to show: {verb, at, delays: {product, vip}}.
let press = null;
let sending = false;

// What the page was told about the hub

async function visit() {
  const response = await fetch("/demo/session", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`the hub answered ${response.status}`);
  session = await response.json();
  for (const place of document.querySelectorAll("[data-article]")) place.textContent = session.article.name;
  for (const place of document.querySelectorAll("[data-sku]")) place.textContent = session.article.sku;
  return session;
}

function watch(name, ask, onItem) {
  const live = new LiveScreen({
    screen: async () => {
      const told = await visit();
      return { run: told.run, url: told.doors.live, ...ask(told) };
    },
    onItem,
    onState: (state) => {
      states[name] = state;
      if (name === "till" && state === "live") warm(session.doors.http, session.till.token);
      $(`[data-screen="${name}"]`)?.toggleAttribute("data-stale", state !== "live");
      showLine();
      offer();
    },
  });
  window.addEventListener("online", () => live.renew());
  live.open();
}

// The three screens

for (const name of ["till", "product", "vip"]) {
  const place = $(`[data-screen="${name}"]`);
  screens[name] = { place, item: null };
  watch(
    name,
    (told) => ({ pool: told[name].pool, token: told[name].token, skus: [told.article.sku] }),
    (item, arrivedAt) => show(name, item, arrivedAt),
  );
}

function show(name, item, arrivedAt) {
  const screen = screens[name];
  const before = screen.item;
  screen.item = item;
  screen.place.toggleAttribute("data-sold", soldOut(item));
  if (name === "till") {
    $("[data-number]", screen.place).textContent = count(item);
    offer();
    return;
  }
  $("[data-shown]", screen.place).textContent = words(item);
  if (before && soldOut(before) !== soldOut(item)) changed(name, screen, arrivedAt);
}

function soldOut(item) {
  return item.status === "out_of_stock";
}

function words(item) {
  if (soldOut(item)) return "Sold out";
  if (item.available === 1) return "The last one";
  return item.available === undefined ? "Available" : `${count(item)} available`;
}

function count(item) {
  if (item.available === undefined) return soldOut(item) ? "0" : "yes";
  return item.capped ? `${item.available}+` : String(item.available);
}

// From the press to the change on the screen

function changed(name, screen, arrivedAt) {
  const answers = press && press.verb === (soldOut(screen.item) ? "Sell" : "Receive") && !(name in press.delays);
  if (!answers) {
    tell(screen, null, "changed, though not by a press on this page");
    return;
  }
  const current = press;
  afterPaint(() => {
    const delay = performance.now() - current.at;
    current.delays[name] = delay;
    tell(screen, delay, `from press to screen; arrived after ${whole(arrivedAt - current.at)} ms`);
    if ("product" in current.delays && "vip" in current.delays) finish(current);
  });
}

function tell(screen, delay, note) {
  $("[data-delay]", screen.place).textContent = delay === null ? "–" : whole(delay);
  $("[data-note]", screen.place).textContent = note;
}

function finish(done) {
  const { product, vip } = done.delays;
  const shown = done.verb === "Sell" ? "sold out" : "available again";
  $("#said").textContent = `Dubai shows ${shown} after ${whole(product)} milliseconds, the private client after ${whole(vip)}.`;
  if (done.verb === "Sell") presses.add(Math.max(product, vip));
  if (press === done) press = null;
}

// Runs after the browser has drawn what was just changed. A hidden page draws nothing, so there it does not wait.
function afterPaint(done) {
  if (document.hidden) {
    done();
    return;
  }
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done();
    channel.port2.postMessage(null);
  });
}

// The till's two buttons

sell.addEventListener("click", (click) => book(sell, "Sell", click.timeStamp));
receive.addEventListener("click", (click) => book(receive, "Receive", click.timeStamp));

// A button that may not be pressed stays where it is and keeps the focus.
function offer() {
  const item = screens.till?.item;
  const ready = Boolean(item) && session !== null && !sending;
  sell.setAttribute("aria-disabled", String(!(ready && !soldOut(item))));
  receive.setAttribute("aria-disabled", String(!(ready && soldOut(item))));
}

async function book(button, verb, at) {
  if (button.getAttribute("aria-disabled") === "true") return;
  const mine = { verb, at, delays: {} };
  press = mine;
  sending = true;
  offer();
  for (const name of ["product", "vip"]) tell(screens[name], null, "waiting for the hub");
  tillNote.textContent = verb === "Sell" ? "Selling…" : "Receiving…";
  setTimeout(() => tellUnseen(mine, "has not heard of it yet"), UNSEEN_AFTER_MS);
  try {
    const outcome = await deliver(eventFor(verb));
    tillNote.textContent = report(verb, outcome, performance.now() - at);
    if (!booked(outcome)) {
      tellUnseen(mine, "nothing changed");
      press = null;
    }
  } catch {
    tillNote.textContent = "The hub did not answer for a minute. Whether it was booked is unknown.";
  } finally {
    sending = false;
    offer();
  }
}

function eventFor(verb) {
  const event = {
    id: newId("till"),
    type: verb === "Sell" ? "sale" : "receipt",
    time: now(),
    location: session.till.location,
    lines: [{ sku: session.article.sku, quantity: 1 }],
  };
  return verb === "Sell" ? { ...event, pool: session.till.pool } : event;
}

async function deliver(event) {
  const onUnknown = (tries) => {
    tillNote.textContent = `No answer yet. The same event goes again, with the same id (${tries + 1}).`;
  };
  const sendNow = () => send({ url: session.doors.http, event, token: () => session.till.token, onUnknown });
  const outcome = await sendNow();
  if (outcome.status !== 401) return outcome;
  await visit();
  return sendNow();
}

function booked({ answer }) {
  return ["applied", "accepted", "duplicate"].includes(answer.status);
}

function report(verb, outcome, delay) {
  const { answer, tries } = outcome;
  if (!booked(outcome)) return `The hub said no: ${answer.problem?.detail ?? answer.detail ?? answer.status ?? outcome.status}`;
  const done = verb === "Sell" ? "Sold" : "Received";
  const kept = answer.status === "accepted" ? "in the journal; the ledger follows" : "in the journal and the ledger";
  const again = tries > 1 ? `, after ${tries} tries with one id` : "";
  return `${done}: ${kept} after ${whole(delay)} ms${again}.`;
}

function tellUnseen(mine, note) {
  if (press !== mine) return;
  for (const name of ["product", "vip"]) {
    if (!(name in mine.delays)) tell(screens[name], null, note);
  }
}

// The line to the hub

function showLine() {
  const all = Object.values(states);
  const state = ["refused", "lost", "connecting"].find((bad) => all.includes(bad)) ?? "live";
  const text = {
    live: "Live",
    connecting: "Connecting",
    lost: "Connection lost — trying again",
    refused: "The hub refused this page",
  }[state];
  const line = $("#line");
  // A screen that tries again is "connecting" for a moment; to people the line is lost until it is live.
  if (state === "connecting" && line.dataset.state === "lost") return;
  if (line.dataset.state === state) return;
  line.dataset.state = state;
  $("#line-text").textContent = text;
}

// The strip at the bottom

const others = new Map();

watch(
  "others",
  (told) => {
    if (others.size === 0) drawOthers(told.others);
    return { pool: told.product.pool, token: told.product.token, skus: told.others.map((article) => article.sku) };
  },
  (item) => {
    const row = others.get(item.sku);
    if (!row) return;
    const news = row.number.textContent !== "";
    row.number.textContent = soldOut(item) ? "sold out" : count(item);
    row.number.classList.toggle("none", soldOut(item));
    if (news) flash(row.line);
  },
);

function drawOthers(articles) {
  for (const article of articles) {
    const line = document.createElement("li");
    const name = document.createElement("span");
    const number = document.createElement("span");
    name.textContent = article.name;
    number.className = "count";
    line.append(name, number);
    line.addEventListener("animationend", () => line.classList.remove("news"));
    others.set(article.sku, { line, number });
    $("#others").append(line);
  }
}

function flash(line) {
  line.classList.remove("news");
  // Reading a measure makes the browser notice the removal, so the animation starts anew.
  void line.offsetWidth;
  line.classList.add("news");
}
