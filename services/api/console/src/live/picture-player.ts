import type { LiveBatch, LiveUnit } from "./batch";
import { Playout } from "./playout";

/** Units are handed to the decoder this long before they are due: time to decode, and to put reordered pictures in order. */
const DECODE_AHEAD_MS = 200;

/** More than this in the decoder's own queue and it is not keeping up: wait for it. */
const MAX_IN_DECODER = 16;

/** Units that may wait to be decoded: ten seconds at 25 a second, the longest group of pictures known. */
const MAX_QUEUED_UNITS = 250;

/** Further apart in capture time than this, two epochs are not one that follows the other: a clock was set. */
const CLOCK_SET_MS = 10_000;

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

/** Where the pictures of a batch belong; `captureMs` is that of the newest. */
interface BatchPosition {
  readonly epoch: number;
  readonly sequence: number;
  readonly captureMs: number;
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
  #last: BatchPosition | null = null;
  #needsKey = true;
  #errors = 0;

  constructor(private readonly parts: PlayerParts<P>) {}

  /** Decoder errors so far. */
  get errors(): number {
    return this.#errors;
  }

  push(batch: LiveBatch, nowMs: number): void {
    const last = this.#last;
    const captureMs = Math.max(...batch.units.map((unit) => unit.captureMs));
    if (last !== null && isOver({ ...batch, captureMs }, last)) return;
    if (batch.epoch !== last?.epoch) this.#restart();
    else if (batch.sequence !== last.sequence + 1) this.#needsKey = true;
    this.#last = { epoch: batch.epoch, sequence: batch.sequence, captureMs };
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
    // No `description`: that is how WebCodecs knows that the units are Annex B with their parameter sets in band.
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

/**
 * Whether a batch was here before, or is of an epoch that was given up.
 *
 * An epoch is named after the time it began: a lower one is an older one, unless that clock was set back in between.
 * Then its pictures are much older than what was shown. Where it was set back by less, they are refused until they are
 * much later. The rules of the detector start over in the same way (docs/adr/0009).
 */
function isOver(batch: BatchPosition, last: BatchPosition): boolean {
  if (batch.epoch === last.epoch) return batch.sequence <= last.sequence;
  return batch.epoch < last.epoch && Math.abs(batch.captureMs - last.captureMs) <= CLOCK_SET_MS;
}
