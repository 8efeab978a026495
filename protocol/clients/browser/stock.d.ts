/** What a pool shows of a SKU. */
export interface Item {
  readonly sku: string;
  readonly pool: string;
  /** Left out where the pool shows only a status. */
  readonly available?: number;
  /** There is more than `available` says. */
  readonly capped?: true;
  readonly status: "in_stock" | "low_stock" | "out_of_stock" | "preorder" | "backorder";
  /** When more is expected, RFC 3339. */
  readonly eta?: string;
  /** The higher one is the newer, across restarts and rebuilds of the hub, also where nothing was ever shown. */
  readonly rev: number;
  /** Since when, RFC 3339. */
  readonly at: string;
}

export interface Options {
  /** The HTTP door; default: where this module came from. */
  hub?: string;
  /** The live door, `wss://…`; without it the page hears by Server-Sent Events of the HTTP door. */
  live?: string;
  /** Not needed for public pools. A function is asked before each connection, so a token may end. */
  token?: string | (() => string | Promise<string>);
  /** What the server rendered: nothing older is told, and these are told at once. */
  start?: readonly Omit<Item, "pool">[];
  /** How the line is. `refused`: for good, the token is not valid and there is no function that gets another one. */
  onstate?: (state: "connecting" | "live" | "lost" | "refused") => void;
  /** What the hub did not grant, for instance `unknown_pool`; `malformed`: a name that no SKU or pool can have. */
  onerror?: (error: { readonly code: string; readonly detail: string }) => void;
}

/**
 * Watch what a pool shows of some SKUs, by the house's own names (an alias is answered under the SKU it stands for).
 * `callback` gets each newer item. Returns a function that ends it.
 */
export function watch(
  pool: string,
  skus: Iterable<string>,
  callback: (item: Item) => void,
  options?: Options,
): () => void;

/** The newest item of each SKU of each pool: the higher `rev` wins. */
export class Newest {
  /** Take a message of the hub, return the items that are news. */
  take(message: { readonly items?: readonly Item[] }): Item[];
  learn(item: Item): boolean;
  get(pool: string, sku: string): Item | undefined;
  forget(pool: string, sku: string): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "stock-badge": HTMLElement;
  }
  interface HTMLElementEventMap {
    stock: CustomEvent<Item>;
  }
}
