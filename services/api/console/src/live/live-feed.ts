import { ageSeconds, freshness, type Freshness, type ShownPicture } from "./age";
import type { LiveBatch } from "./batch";
import { afterBatch, type CatchUp } from "./catch-up";
import { LiveSocket, type ServerState, type View } from "./live-socket";
import { PicturePlayer } from "./picture-player";
import { localNowMs, ServerClock } from "./server-clock";

/** How often the age is reported: often enough for tenths of a second to be read, seldom enough to cost nothing. */
const TELL_EVERY_MS = 250;

/** What a tile shows about its picture. */
export interface FeedSnapshot {
  readonly ageS: number | null;
  readonly freshness: Freshness;
  readonly connected: boolean;
  readonly state: ServerState | null;
  readonly size: { readonly width: number; readonly height: number } | null;
  /** Null while pictures come in their turn. */
  readonly catchUp: CatchUp | null;
}

export const NOTHING_YET: FeedSnapshot = {
  ageS: null,
  freshness: "none",
  connected: false,
  state: null,
  size: null,
  catchUp: null,
};

/** One camera on one canvas: socket, decoder, clock and age. Read as an external store: `subscribe`, `snapshot`. */
export class LiveFeed {
  readonly #clock = new ServerClock();
  readonly #player: PicturePlayer<VideoFrame>;
  readonly #socket: LiveSocket;
  readonly #listeners = new Set<() => void>();
  #canvas: HTMLCanvasElement | null = null;
  #shown: ShownPicture | null = null;
  #snapshot = NOTHING_YET;
  #connected = false;
  #state: ServerState | null = null;
  #size: FeedSnapshot["size"] = null;
  #last: LiveBatch | null = null;
  #catchUp: CatchUp | null = null;
  #repaint = 0;
  /** Pictures under older masks than these may not be seen any more. */
  #masks = 0;
  readonly #teller: number;

  /** @param refused called when the api did not accept the connection: the session may have ended. */
  constructor(camera: string, view: View, refused: () => void) {
    this.#player = new PicturePlayer<VideoFrame>({
      newDecoder: (output, error) => new VideoDecoder({ output, error }),
      newChunk: (unit) =>
        new EncodedVideoChunk({ type: unit.key ? "key" : "delta", timestamp: unit.ptsUs, data: unit.data }),
      show: (picture, captureMs) => this.#show(picture, captureMs),
    });
    this.#socket = new LiveSocket(camera, view, {
      opened: () => this.#opened(),
      batch: (batch) => this.#take(batch),
      state: (state) => (this.#state = state),
      corrupt: () => undefined, // the gap in the sequence makes the player wait for the next key unit
      lost: (wasRefused) => {
        this.#connected = false;
        if (wasRefused) refused();
      },
    });
    this.#teller = window.setInterval(() => this.#tell(), TELL_EVERY_MS);
    this.#animate();
  }

  attach(canvas: HTMLCanvasElement | null): void {
    this.#canvas = canvas;
  }

  /** The decision on the masks in force (null: it ended, and only one yet to come lets pictures be seen again). */
  masksAre(version: number | null): void {
    this.#refuseBelow(version ?? this.#masks + 1);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): FeedSnapshot => this.#snapshot;

  close(): void {
    window.clearInterval(this.#teller);
    cancelAnimationFrame(this.#repaint);
    this.#socket.close();
    this.#player.close();
    this.#clear(); // the canvas lives on, and nobody else knows under which masks its picture was
  }

  #opened(): void {
    this.#connected = true;
    this.#last = null;
    this.#catchUp = null;
    this.#player.reset();
  }

  #take(batch: LiveBatch): void {
    this.#clock.observe(batch.serverTimeMs, localNowMs());
    if (batch.maskVersion < this.#masks) return;
    this.#refuseBelow(batch.maskVersion);
    this.#state = null;
    this.#catchUp = afterBatch(batch, this.#last);
    this.#last = batch;
    this.#size = { width: batch.width, height: batch.height };
    this.#player.push(batch, localNowMs());
  }

  /** What is on the canvas or on its way there may show what new masks hide: it goes at once. */
  #refuseBelow(masks: number): void {
    if (masks <= this.#masks) return;
    this.#masks = masks;
    this.#player.reset();
    this.#clear();
  }

  #clear(): void {
    this.#shown = null;
    if (this.#canvas !== null) context(this.#canvas)?.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  #animate(): void {
    this.#repaint = requestAnimationFrame(() => {
      this.#player.tick(localNowMs());
      this.#animate();
    });
  }

  #show(picture: VideoFrame, captureMs: number): void {
    const canvas = this.#canvas;
    if (canvas === null) return;
    if (canvas.width !== picture.displayWidth) canvas.width = picture.displayWidth;
    if (canvas.height !== picture.displayHeight) canvas.height = picture.displayHeight;
    context(canvas)?.drawImage(picture, 0, 0);
    this.#shown = { captureMs, shownAtMs: localNowMs() };
  }

  #tell(): void {
    const localMs = localNowMs();
    const serverMs = this.#clock.nowMs(localMs);
    const ageS = this.#shown === null || serverMs === null ? null : ageSeconds(this.#shown, serverMs, localMs);
    this.#snapshot = {
      ageS,
      freshness: freshness(ageS),
      connected: this.#connected,
      state: this.#state,
      size: this.#size,
      catchUp: this.#catchUp,
    };
    for (const listener of this.#listeners) listener();
  }
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
  return canvas.getContext("2d", { alpha: false });
}
