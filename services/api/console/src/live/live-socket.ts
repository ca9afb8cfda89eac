import { CorruptBatchError, parseBatch, type LiveBatch } from "./batch";
import { Backoff } from "./reconnect";

/**
 * After a picture the api sends the next one, or says why there is none, within a few seconds: a connection that does
 * neither is dead, whatever the socket believes.
 */
const IDLE_TIMEOUT_MS = 10_000;

/**
 * After the api said why there is no picture it may send nothing as long as that is so. Each new connection is a row in
 * the audit trail, so this one is given up late; the browser usually notices a dead line before.
 */
const IDLE_AFTER_STATE_TIMEOUT_MS = 300_000;

/** The api closes with this code when the session ended. */
const SESSION_ENDED = 4401;

export type View = "masked" | "annotated";

/** Why there is no picture, in the api's words. */
export interface ServerState {
  readonly code: string;
  readonly message: string;
}

export interface LiveSocketEvents {
  opened(): void;
  batch(batch: LiveBatch): void;
  state(state: ServerState): void;
  corrupt(): void;
  /** The connection is gone. `refused`: the api never accepted it, or the session ended. */
  lost(refused: boolean): void;
}

/** One camera's live WebSocket, opened again whenever it is lost, until `close`. */
export class LiveSocket {
  readonly #backoff = new Backoff();
  #socket: WebSocket | null = null;
  #retry: number | undefined;
  #idleTimer: number | undefined;
  #closed = false;

  constructor(
    private readonly camera: string,
    private readonly view: View,
    private readonly events: LiveSocketEvents,
  ) {
    this.#open();
  }

  close(): void {
    this.#closed = true;
    window.clearTimeout(this.#retry);
    window.clearTimeout(this.#idleTimer);
    this.#socket?.close();
    this.#socket = null;
  }

  #open(): void {
    const address = new URL(`/api/v1/cameras/${encodeURIComponent(this.camera)}/live`, window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("view", this.view);
    const socket = new WebSocket(address);
    let everOpen = false;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      everOpen = true;
      this.#restartIdleTimer(socket, IDLE_TIMEOUT_MS);
      this.events.opened();
    });
    socket.addEventListener("message", (event: MessageEvent<unknown>) => {
      this.#restartIdleTimer(socket, typeof event.data === "string" ? IDLE_AFTER_STATE_TIMEOUT_MS : IDLE_TIMEOUT_MS);
      this.#receive(event.data);
    });
    socket.addEventListener("close", ({ code }) => {
      if (socket === this.#socket) this.#lost(!everOpen || code === SESSION_ENDED);
    });
    this.#socket = socket;
  }

  #restartIdleTimer(socket: WebSocket, timeoutMs: number): void {
    window.clearTimeout(this.#idleTimer);
    if (!this.#closed) this.#idleTimer = window.setTimeout(() => this.#giveUp(socket), timeoutMs);
  }

  /** Leave a dead line at once: the browser waits a minute for the other side before it says that it is closed. */
  #giveUp(socket: WebSocket): void {
    this.#socket = null;
    socket.close();
    this.#lost(false);
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    if (typeof data === "string") {
      const state = serverState(data);
      if (state !== null) this.events.state(state);
      return;
    }
    try {
      const batch = parseBatch(data as ArrayBuffer);
      this.#backoff.reset();
      this.events.batch(batch);
    } catch (error) {
      if (!(error instanceof CorruptBatchError)) throw error;
      this.events.corrupt();
    }
  }

  #lost(refused: boolean): void {
    window.clearTimeout(this.#idleTimer);
    if (this.#closed) return;
    this.events.lost(refused);
    this.#retry = window.setTimeout(() => this.#open(), this.#backoff.nextMs());
  }
}

/** The api's state message, or null for a text that is none. */
export function serverState(text: string): ServerState | null {
  try {
    const message = JSON.parse(text) as Partial<Record<string, unknown>> | null;
    if (message?.type !== "state" || typeof message.code !== "string") return null;
    return { code: message.code, message: typeof message.message === "string" ? message.message : "" };
  } catch {
    return null;
  }
}
