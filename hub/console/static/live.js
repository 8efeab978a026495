// One live connection: subscribes, keeps the newest item of each SKU, and comes back by itself when it is lost.
//
// Two rules make it simple. The item with the higher `rev` wins, whatever order things arrive in. And after every
// interruption the snapshot is taken again, so nothing that was missed needs to be asked for.

const SUBPROTOCOL = "hub.v1.json";
// The hub says something at least every 20 s; after twice that and a little, the line is dead though nobody said so.
const SILENCE_MS = 45_000;
const RETRY_FIRST_MS = 250;
const RETRY_LONGEST_MS = 10_000;
const CLOSE_NEW_TOKEN = 4401;
// These may be mended by trying again although they are in the range of "do not come back unchanged".
const CLOSE_TRY_AGAIN = new Set([CLOSE_NEW_TOKEN, 4408]);

export class LiveScreen {
  #screen;
  #socket = null;
  #items = new Map();
  #failures = 0;
  #silence = 0;
  #run = null;

  // `screen()` resolves to {run, url, token?, pool, skus}; it is asked before each connection, because a hub that was
  // started anew needs new tokens. `onItem(item, arrivedAt)` gets items that are news; `onState(state)` gets
  // "connecting", "live", "lost" or "refused".
  constructor({ screen, onItem, onState }) {
    this.#screen = screen;
    this.onItem = onItem;
    this.onState = onState;
  }

  async open() {
    this.onState("connecting");
    let screen;
    try {
      screen = await this.#screen();
    } catch {
      this.#comeBack();
      return;
    }
    if (screen.run !== this.#run) {
      // Another hub, perhaps with an empty memory: its revisions do not compare with those held from the last one.
      this.#run = screen.run;
      this.#items.clear();
    }
    this.#connect(screen);
  }

  // Closes the line and at once comes back on a new one; the page offers it when the browser says it is online again.
  renew() {
    this.#socket?.close();
  }

  #connect(screen) {
    const socket = new WebSocket(`${screen.url}/v1/live`, SUBPROTOCOL);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (screen.token) socket.send(JSON.stringify({ op: "auth", token: screen.token }));
      socket.send(JSON.stringify({ op: "subscribe", ref: 1, pool: screen.pool, skus: screen.skus }));
      this.#expectSound(socket);
    });
    socket.addEventListener("message", (message) => this.#hear(socket, message.data, performance.now()));
    socket.addEventListener("close", (closing) => this.#closed(socket, closing.code));
  }

  #hear(socket, data, arrivedAt) {
    this.#expectSound(socket);
    const frame = JSON.parse(data);
    if (frame.op === "error") {
      socket.close();
      return;
    }
    if (frame.op === "subscribed") {
      this.#failures = 0;
      this.onState("live");
    }
    for (const item of frame.items ?? []) this.#take(item, arrivedAt);
  }

  #take(item, arrivedAt) {
    const held = this.#items.get(item.sku);
    if (held && held.rev >= item.rev) return;
    this.#items.set(item.sku, item);
    this.onItem(item, arrivedAt);
  }

  #expectSound(socket) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      // A dead line may take minutes to close politely, so the screen does not wait for it.
      socket.close();
      this.#closed(socket, 1006);
    }, SILENCE_MS);
  }

  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#silence);
    if (code >= 4400 && code < 4500 && !CLOSE_TRY_AGAIN.has(code)) {
      this.onState("refused");
      return;
    }
    this.#comeBack();
  }

  #comeBack() {
    this.onState("lost");
    // With jitter: a hub that comes back is not met by all its screens in the same millisecond.
    const ceiling = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    setTimeout(() => this.open(), ceiling / 2 + Math.random() * ceiling / 2);
  }
}
