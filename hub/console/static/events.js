// Sending an event: once, however often it takes. A 503, a lost connection or a silence mean *unknown*, so the same
// event is sent again with the same id, and the hub answers what it answered first.

const ANSWER_WITHIN_MS = 5_000;
const RETRY_FIRST_MS = 200;
const RETRY_LONGEST_MS = 4_000;
const GIVE_UP_AFTER_MS = 60_000;
const UNKNOWN = new Set([408, 425, 429, 500, 502, 503, 504]);

// Resolves to {status, answer, tries}; throws when the outcome is still unknown after a minute.
// `token()` is asked each time; `onUnknown(tries)` is told each time the outcome stays open.
export async function send({ url, event, token, onUnknown }) {
  const body = JSON.stringify(event);
  const started = performance.now();
  for (let tries = 1; ; tries += 1) {
    const outcome = await post(url, body, token());
    if (outcome.status) return { ...outcome, tries };
    if (performance.now() - started > GIVE_UP_AFTER_MS) throw new Error("the outcome is unknown");
    onUnknown(tries);
    await pause(Math.max(outcome.retryAfterMs ?? 0, backoff(tries)));
  }
}

// Opens the line without booking anything, so that the first press does not pay for the connection and the browser's
// leave to use it. An empty array is answered, and changes nothing.
export function warm(url, token) {
  return post(url, "[]", token);
}

async function post(url, body, token) {
  let response;
  try {
    response = await fetch(`${url}/v1/events`, {
      method: "POST",
      headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
      body,
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (UNKNOWN.has(response.status)) {
      return { retryAfterMs: Number(response.headers.get("Retry-After")) * 1_000 || 0 };
    }
    return { status: response.status, answer: await response.json() };
  } catch {
    return {};
  }
}

function backoff(tries) {
  const ceiling = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** (tries - 1));
  return ceiling / 2 + Math.random() * ceiling / 2;
}

function pause(ms) {
  return new Promise((resume) => setTimeout(resume, ms));
}

// An id nobody else has; also where `randomUUID` is missing because the page came without TLS from another machine.
export function newId(prefix) {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

// Now, to the millisecond, in UTC, as the hub reads it.
export function now() {
  return new Date().toISOString().replace("Z", "+00:00");
}
