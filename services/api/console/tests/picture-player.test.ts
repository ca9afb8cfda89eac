import { beforeEach, describe, expect, it } from "vitest";

import type { LiveBatch, LiveUnit } from "../src/live/batch";
import { PicturePlayer, type Decoder, type Picture } from "../src/live/picture-player";

const FRAME_MS = 100;
const GOP = 5;

class FakePicture implements Picture {
  closed = false;
  constructor(readonly timestamp: number) {}
  close(): void {
    this.closed = true;
  }
}

/** Decodes at once; fails on a unit whose bytes say so. */
class FakeDecoder implements Decoder {
  state: CodecState = "unconfigured";
  decodeQueueSize = 0;
  units: LiveUnit[] = [];
  config: VideoDecoderConfig | null = null;

  constructor(
    private readonly output: (picture: FakePicture) => void,
    private readonly error: () => void,
  ) {}

  configure(config: VideoDecoderConfig): void {
    this.config = config;
    this.state = "configured";
  }

  decode(chunk: EncodedVideoChunk): void {
    const unit = chunk as unknown as LiveUnit;
    this.units.push(unit);
    if (unit.data[0] === 0xff) {
      this.state = "closed";
      this.error();
    } else {
      const picture = new FakePicture(unit.ptsUs);
      pictures.push(picture);
      this.output(picture);
    }
  }

  close(): void {
    this.state = "closed";
  }
}

let decoders: FakeDecoder[] = [];
let pictures: FakePicture[] = [];
let shown: number[] = [];
let player: PicturePlayer<FakePicture>;

beforeEach(() => {
  decoders = [];
  pictures = [];
  shown = [];
  player = new PicturePlayer<FakePicture>({
    newDecoder: (output, error) => {
      const decoder = new FakeDecoder(output, error);
      decoders.push(decoder);
      return decoder;
    },
    newChunk: (unit) => unit as unknown as EncodedVideoChunk,
    show: (_picture, captureMs) => shown.push(captureMs),
  });
});

function batch(sequence: number, changes: Partial<LiveBatch> = {}, bad = -1): LiveBatch {
  const units = Array.from({ length: GOP }, (_, index): LiveUnit => {
    const number = sequence * GOP + index;
    return {
      key: index === 0,
      captureMs: 1_000_000 + number * FRAME_MS,
      ptsUs: number * FRAME_MS * 1000,
      data: new Uint8Array([index === bad ? 0xff : 1]),
    };
  });
  return {
    camera: "place",
    view: "masked",
    epoch: 1,
    sequence,
    maskVersion: 1,
    codec: "avc1.42c01e",
    width: 768,
    height: 576,
    serverTimeMs: 0,
    catchingUp: false,
    units,
    ...changes,
  };
}

function earlier(late: LiveBatch, byMs: number): LiveBatch {
  return { ...late, units: late.units.map((unit) => ({ ...unit, captureMs: unit.captureMs - byMs })) };
}

function play(fromMs: number, untilMs: number): void {
  for (let now = fromMs; now <= untilMs; now += 16) player.tick(now);
}

const captured = (...numbers: number[]) => numbers.map((number) => 1_000_000 + number * FRAME_MS);

describe("the player", () => {
  it("shows every picture of a steady stream once, in order", () => {
    for (let sequence = 0; sequence < 4; sequence += 1) {
      player.push(batch(sequence), sequence * 500);
      play(sequence * 500, sequence * 500 + 499);
    }
    play(2_000, 2_600);
    expect(shown).toEqual(captured(...Array(20).keys()));
  });

  it("tells the decoder Annex B by giving no description, and asks for low latency", () => {
    player.push(batch(0), 0);
    expect(decoders[0]?.config).toEqual({
      codec: "avc1.42c01e",
      codedWidth: 768,
      codedHeight: 576,
      optimizeForLatency: true,
    });
  });

  it("skips to the newest picture when it was away", () => {
    for (let sequence = 0; sequence < 10; sequence += 1) player.push(batch(sequence), sequence * 500);
    player.tick(8_000);
    player.tick(8_016);
    player.tick(8_032);
    player.tick(8_048);
    expect(shown.at(-1)).toBe(captured(49)[0]);
  });

  it("keeps a bounded queue while nothing is painted", () => {
    for (let sequence = 0; sequence < 500; sequence += 1) player.push(batch(sequence), sequence * 500);
    player.tick(251_000);
    expect(decoders[0]?.units.length).toBeLessThanOrEqual(250);
    expect(decoders[0]?.units[0]?.key).toBe(true);
  });

  it("drops a batch that comes twice, and one of an epoch that is over", () => {
    player.push(batch(0), 0);
    player.push(batch(0), 0);
    player.push(batch(0, { epoch: 2 }), 100);
    player.push(batch(1), 200);
    play(0, 2_000);
    expect(shown).toEqual(captured(0, 1, 2, 3, 4));
  });

  it("starts over when the clock that names the epochs was set back by more than 10 s", () => {
    player.push(batch(9, { epoch: 2 }), 0);
    play(0, 1_000);
    player.push(earlier(batch(1), 5_000), 1_500);
    play(1_500, 2_500);
    expect(shown).toEqual(captured(45, 46, 47, 48, 49));
    player.push(earlier(batch(1), 20_000), 3_000);
    player.push(earlier(batch(1), 20_000), 3_100);
    player.push(earlier(batch(2), 20_000), 3_500);
    play(3_000, 5_000);
    expect(shown.slice(5)).toEqual(captured(...Array(10).keys()).map((ms) => ms + 5 * FRAME_MS - 20_000));
  });

  it("waits little longer when that clock was set back by less", () => {
    player.push(batch(9, { epoch: 2 }), 0);
    play(0, 1_000);
    player.push(earlier(batch(1), -15_000), 20_000);
    play(20_000, 21_000);
    expect(shown.slice(5)).toEqual(captured(5, 6, 7, 8, 9).map((ms) => ms + 15_000));
  });

  it("waits for a key unit at the beginning and after a gap", () => {
    const late = batch(0);
    player.push({ ...late, units: late.units.slice(1) }, 0);
    play(0, 600);
    expect(shown).toEqual([]);
    player.push(batch(1), 600);
    const torn = batch(3);
    player.push({ ...torn, units: torn.units.slice(2) }, 1_600);
    player.push(batch(4), 2_100);
    play(600, 4_000);
    expect(shown).toEqual(captured(5, 6, 7, 8, 9, 20, 21, 22, 23, 24));
  });

  it("makes a new decoder after an error and goes on with the next key unit", () => {
    player.push(batch(0, {}, 2), 0);
    play(0, 499);
    player.push(batch(1), 500);
    play(500, 1_500);
    expect(player.errors).toBe(1);
    expect(decoders).toHaveLength(2);
    expect(decoders[1]?.units[0]?.key).toBe(true);
    expect(shown.slice(-5)).toEqual(captured(5, 6, 7, 8, 9));
  });

  it("makes a new decoder when the picture's size changes", () => {
    player.push(batch(0), 0);
    play(0, 499);
    player.push(batch(1, { width: 1280, height: 720 }), 500);
    play(500, 1_500);
    expect(decoders.map(({ config }) => config?.codedWidth)).toEqual([768, 1280]);
    expect(decoders[0]?.state).toBe("closed");
  });

  it("closes every picture and the decoder", () => {
    player.push(batch(0), 0);
    play(0, 250);
    player.close();
    expect(pictures.every(({ closed }) => closed)).toBe(true);
    expect(decoders[0]?.state).toBe("closed");
  });
});
