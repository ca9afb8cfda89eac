import { Backoff } from "../live/reconnect";

/** The api sends something at least every 10 s: after this long without a message the connection counts as dead. */
const IDLE_TIMEOUT_MS = 25_000;

export interface NewsEvents {
  news(kind: NewsKind, data: unknown): void;
  connected(): void;
  lost(): void;
}

const KINDS = ["alert", "status", "recording", "camera"] as const;
export type NewsKind = (typeof KINDS)[number];

/** The api's Server-Sent Events, opened again whenever they stop, until `close`. */
export class NewsStream {
  readonly #backoff = new Backoff();
  #source: EventSource | null = null;
  #idleTimer: number | undefined;
  #retry: number | undefined;

  constructor(private readonly events: NewsEvents) {
    this.#open();
  }

  close(): void {
    window.clearTimeout(this.#idleTimer);
    window.clearTimeout(this.#retry);
    this.#source?.close();
  }

  #open(): void {
    const source = new EventSource("/api/v1/events");
    this.#source = source;
    source.addEventListener("open", () => {
      this.#backoff.reset();
      this.#restartIdleTimer();
      this.events.connected();
    });
    source.addEventListener("heartbeat", () => this.#restartIdleTimer());
    for (const kind of KINDS) {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        this.#restartIdleTimer();
        this.events.news(kind, JSON.parse(event.data));
      });
    }
    // The browser's own retry gives up after a refusal and does not notice a dead connection: do it here.
    source.addEventListener("error", () => this.#lose());
    this.#restartIdleTimer();
  }

  #restartIdleTimer(): void {
    window.clearTimeout(this.#idleTimer);
    this.#idleTimer = window.setTimeout(() => this.#lose(), IDLE_TIMEOUT_MS);
  }

  #lose(): void {
    window.clearTimeout(this.#idleTimer);
    window.clearTimeout(this.#retry);
    this.#source?.close();
    this.events.lost();
    this.#retry = window.setTimeout(() => this.#open(), this.#backoff.nextMs());
  }
}
