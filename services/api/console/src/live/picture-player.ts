import type { LiveBatch, LiveUnit } from "./batch";
import { Playout } from "./playout";

/** Units are handed to the decoder this long before they are due: time to decode, and to put reordered pictures in order. */
const DECODE_AHEAD_MS = 200;

/** More than this in the decoder's own queue and it is not keeping up: wait for it. */
const MAX_IN_DECODER = 16;

/** Units that may wait to be decoded: ten seconds at 25 a second, the longest group of pictures known. */
const MAX_QUEUED_UNITS = 250;

/** What the player needs of WebCodecs' `VideoDecoder`; tests bring their own. */
export interface Decoder {
  readonly state: CodecState;
  readonly decodeQueueSize: number;
  configure(config: VideoDecoderConfig): void;
  decode(chunk: EncodedVideoChunk): void;
  close(): void;
}

/** What the player needs of a decoded picture. */
export interface Picture {
  readonly timestamp: number;
  close(): void;
}

export interface PlayerParts<P extends Picture> {
  newDecoder(output: (picture: P) => void, error: () => void): Decoder;
  newChunk(unit: LiveUnit): EncodedVideoChunk;
  show(picture: P, captureMs: number): void;
}

/**
 * Batches in, pictures out at their time. One instance for each run of one camera in one view.
 *
 * `push` takes a batch when it arrives, `tick` is called for each repaint of the screen. After a decoder error, a gap or
 * an overflow nothing is decoded until the next key unit.
 */
export class PicturePlayer<P extends Picture> {
  readonly #playout = new Playout();
  #decoder: Decoder | null = null;
  #configured = "";
  #queue: LiveUnit[] = [];
  #decoded: P[] = [];
  #captureMs = new Map<number, number>();
  #last: { epoch: number; sequence: number } | null = null;
  #needsKey = true;
  #errors = 0;

  constructor(private readonly parts: PlayerParts<P>) {}

  /** Decoder errors so far. */
  get errors(): number {
    return this.#errors;
  }

  push(batch: LiveBatch, nowMs: number): void {
    const last = this.#last;
    if (last !== null && isRepeat(batch, last)) return;
    if (batch.epoch !== last?.epoch) this.#restart();
    else if (batch.sequence !== last.sequence + 1) this.#needsKey = true;
    this.#last = { epoch: batch.epoch, sequence: batch.sequence };
    this.#configure(batch);
    this.#enqueue(batch.units);
    const media = batch.units.map((unit) => unit.ptsUs / 1000);
    this.#playout.arrive(Math.min(...media), Math.max(...media), nowMs);
    this.#trim();
  }

  /** Decode what is nearly due and show the newest picture that is due. */
  tick(nowMs: number): void {
    this.#feed(nowMs);
    const due = this.#decoded.filter((picture) => this.#dueMs(picture) <= nowMs);
    const newest = due.at(-1);
    if (newest === undefined) return;
    this.#decoded = this.#decoded.filter((picture) => this.#dueMs(picture) > nowMs);
    this.parts.show(newest, this.#captureMs.get(newest.timestamp) ?? 0);
    for (const picture of due) {
      this.#captureMs.delete(picture.timestamp);
      picture.close();
    }
  }

  /** Forget everything, e.g. because the connection is a new one and begins again with older batches. */
  reset(): void {
    this.#last = null;
    this.#restart();
  }

  /** Free the decoder and its pictures. The player may not be used any more. */
  close(): void {
    this.reset();
  }

  #restart(): void {
    this.#closeDecoder();
    this.#queue = [];
    this.#captureMs.clear();
    this.#playout.reset();
    this.#needsKey = true;
  }

  #configure(batch: LiveBatch): void {
    const wanted = `${batch.codec} ${batch.width}×${batch.height}`;
    if (this.#configured === wanted && this.#decoder !== null) return;
    this.#closeDecoder();
    this.#needsKey = true;
    this.#queue = [];
    const decoder = this.parts.newDecoder(
      (picture) => this.#accept(decoder, picture),
      () => this.#fail(decoder),
    );
    // No `description`: that is how WebCodecs is told that the units are Annex B with their parameter sets in band.
    decoder.configure({
      codec: batch.codec,
      codedWidth: batch.width,
      codedHeight: batch.height,
      optimizeForLatency: true,
    });
    this.#decoder = decoder;
    this.#configured = wanted;
  }

  #accept(decoder: Decoder, picture: P): void {
    if (decoder === this.#decoder) this.#decoded.push(picture);
    else picture.close();
  }

  #fail(decoder: Decoder): void {
    if (decoder !== this.#decoder) return;
    this.#errors += 1;
    this.#closeDecoder();
    this.#queue = [];
    this.#needsKey = true;
  }

  #closeDecoder(): void {
    const decoder = this.#decoder;
    this.#decoder = null;
    this.#configured = "";
    if (decoder !== null && decoder.state !== "closed") decoder.close();
    for (const picture of this.#decoded) picture.close();
    this.#decoded = [];
  }

  #enqueue(units: readonly LiveUnit[]): void {
    for (const unit of units) {
      if (this.#needsKey && !unit.key) continue;
      this.#needsKey = false;
      this.#queue.push(unit);
    }
  }

  /** While the page is hidden nothing is decoded: keep only what the last key unit can bring back. */
  #trim(): void {
    if (this.#queue.length <= MAX_QUEUED_UNITS) return;
    const lastKey = this.#queue.findLastIndex((unit) => unit.key);
    this.#queue = lastKey > 0 ? this.#queue.slice(lastKey) : [];
    if (this.#queue.length === 0) this.#needsKey = true;
  }

  #feed(nowMs: number): void {
    while (this.#queue.length > 0) {
      const decoder = this.#decoder;
      const unit = this.#queue[0];
      if (decoder === null || unit === undefined || decoder.decodeQueueSize >= MAX_IN_DECODER) return;
      if (this.#playout.dueMs(unit.ptsUs / 1000) > nowMs + DECODE_AHEAD_MS) return;
      this.#queue.shift();
      this.#captureMs.set(unit.ptsUs, unit.captureMs);
      try {
        decoder.decode(this.parts.newChunk(unit));
      } catch {
        this.#fail(decoder);
      }
    }
  }

  #dueMs(picture: P): number {
    return this.#playout.dueMs(picture.timestamp / 1000);
  }
}

/** Batches may be delivered twice; an older epoch is one that was given up. */
function isRepeat(batch: LiveBatch, last: { epoch: number; sequence: number }): boolean {
  return batch.epoch < last.epoch || (batch.epoch === last.epoch && batch.sequence <= last.sequence);
}
