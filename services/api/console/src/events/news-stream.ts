import { Backoff } from "../live/reconnect";

/** The api says something at least every 10 s: past this the line is taken for dead, whatever the socket believes. */
const SILENCE_MS = 25_000;

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
  #silence: number | undefined;
  #retry: number | undefined;

  constructor(private readonly events: NewsEvents) {
    this.#open();
  }

  close(): void {
    window.clearTimeout(this.#silence);
    window.clearTimeout(this.#retry);
    this.#source?.close();
  }

  #open(): void {
    const source = new EventSource("/api/v1/events");
    this.#source = source;
    source.addEventListener("open", () => {
      this.#backoff.reset();
      this.#heard();
      this.events.connected();
    });
    source.addEventListener("heartbeat", () => this.#heard());
    for (const kind of KINDS) {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        this.#heard();
        this.events.news(kind, JSON.parse(event.data));
      });
    }
    // The browser's own retry gives up after a refusal and says nothing when a line is silently dead: do it here.
    source.addEventListener("error", () => this.#lose());
    this.#heard();
  }

  #heard(): void {
    window.clearTimeout(this.#silence);
    this.#silence = window.setTimeout(() => this.#lose(), SILENCE_MS);
  }

  #lose(): void {
    window.clearTimeout(this.#silence);
    window.clearTimeout(this.#retry);
    this.#source?.close();
    this.events.lost();
    this.#retry = window.setTimeout(() => this.#open(), this.#backoff.nextMs());
  }
}
