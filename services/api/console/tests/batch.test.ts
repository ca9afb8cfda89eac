import { describe, expect, it } from "vitest";

import { CorruptBatchError, parseBatch } from "../src/live/batch";
import { serverState } from "../src/live/live-socket";
import { frame, message, type Parts } from "./batches";

const text = (value: string) => new TextEncoder().encode(value);
const nothing = new Uint8Array();

describe("a live message", () => {
  it("is read with every unit's bytes, key flag and times", () => {
    const batch = parseBatch(message());
    expect(batch).toMatchObject({ camera: "place", sequence: 7, maskVersion: 2, codec: "avc1.42c01e", width: 768 });
    expect(batch.units.map(({ key, captureMs, ptsUs }) => [key, captureMs, ptsUs])).toEqual([
      [true, 1_000, 0],
      [false, 1_100, 100_000],
    ]);
    expect(batch.units.map(({ data }) => [...data])).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  const unit = { size: 5, key: true, capture_time_ms: 1, pts_us: 1 };
  const broken: [string, Parts][] = [
    ["bytes are missing", { body: new Uint8Array(4) }],
    ["bytes are left over", { body: new Uint8Array(6) }],
    ["there is no unit", { units: [] }],
    ["a unit is empty", { units: [{ ...unit, size: 0 }, unit] }],
    ["a size is negative", { units: [{ ...unit, size: -5 }] }],
    ["a size is not whole", { units: [{ ...unit, size: 4.5 }] }],
    ["a size is text", { units: [{ ...unit, size: "5" }] }],
    ["key is a number", { units: [{ ...unit, key: 1 }] }],
    ["a capture time is missing", { units: [{ size: 5, key: true, pts_us: 1 }] }],
    ["a time is null", { units: [{ ...unit, pts_us: null }] }],
    ["units are no list", { header: { units: { length: 1 } } }],
    ["the codec is another one", { header: { codec: "hev1.1.6.L93" } }],
    ["the codec is missing", { header: { codec: "" } }],
    ["the picture has no width", { header: { width: 0 } }],
    ["the picture is wider than any camera's", { header: { width: 20_000 } }],
    ["the camera is missing", { header: { camera: null } }],
    ["the server's time is missing", { header: { server_time_ms: undefined } }],
    ["nobody says whether it is ahead of late ones", { header: { catching_up: undefined } }],
    ["the sequence is negative", { header: { sequence: -1 } }],
  ];
  it.each(broken)("is refused when %s", (_why, parts) => {
    expect(() => parseBatch(message(parts))).toThrow(CorruptBatchError);
  });

  const cut: [string, ArrayBuffer][] = [
    ["it is empty", new ArrayBuffer(0)],
    ["its length field is cut", new ArrayBuffer(3)],
    ["its header is longer than it", frame(text("{}"), nothing, 4_000)],
    ["its header is longer than any header", frame(text("{}"), nothing, 0xffffffff)],
    ["its header is no JSON", frame(text("{oops"), nothing)],
    ["its header is no UTF-8", frame(new Uint8Array([0xff, 0xfe]), nothing)],
    ["its header is a list", frame(text("[]"), nothing)],
    ["its header is null", frame(text("null"), nothing)],
  ];
  it.each(cut)("is refused when %s", (_why, bytes) => {
    expect(() => parseBatch(bytes)).toThrow(CorruptBatchError);
  });
});

describe("a state message", () => {
  it("says why there is no picture", () => {
    expect(serverState('{"type":"state","code":"no_mask_decision","message":"Draw them"}')).toEqual({
      code: "no_mask_decision",
      message: "Draw them",
    });
  });
  it.each(["", "{", "null", "[]", '{"type":"other","code":"x"}', '{"type":"state"}'])("is not %j", (other) => {
    expect(serverState(other)).toBeNull();
  });
});
