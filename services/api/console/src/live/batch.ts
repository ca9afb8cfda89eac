/** One encoded picture (H.264 access unit, Annex B). */
export interface LiveUnit {
  readonly key: boolean;
  readonly captureMs: number;
  readonly ptsUs: number;
  readonly data: Uint8Array;
}

/** One message of the live WebSocket: up to about half a second of one camera. */
export interface LiveBatch {
  readonly camera: string;
  readonly view: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly maskVersion: number;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly serverTimeMs: number;
  /** It comes ahead of pictures that are late: until these are caught up, one comes now and then. */
  readonly catchingUp: boolean;
  readonly units: readonly LiveUnit[];
}

/** A message that cannot be shown. The stream goes on with the next key picture. */
export class CorruptBatchError extends Error {
  override name = "CorruptBatchError";
}

const LENGTH_BYTES = 4;

/** A header holds some fifty bytes a picture and at most 256 pictures: longer is not a header. */
const MAX_HEADER_BYTES = 65_536;

const MAX_SIDE = 8192;

const AVC_CODEC = /^avc1\.[0-9a-f]{6}$/i;

interface UnitHeader {
  readonly size: number;
  readonly key: boolean;
  readonly captureMs: number;
  readonly ptsUs: number;
}

/**
 * Read one message: 4 bytes of header length (big endian), a JSON header, then the access units one after the other.
 *
 * @throws CorruptBatchError when a length, a field or the sum of the sizes is wrong.
 */
export function parseBatch(message: ArrayBuffer): LiveBatch {
  const [header, body] = split(message);
  const units = list(header, "units").map(unitHeader);
  const expected = units.reduce((sum, unit) => sum + unit.size, 0);
  if (expected !== body.length) {
    throw new CorruptBatchError(`the units should hold ${expected} bytes, there are ${body.length}`);
  }
  const codec = text(header, "codec");
  if (!AVC_CODEC.test(codec)) throw new CorruptBatchError(`codec is not avc1.xxxxxx`);
  return {
    camera: text(header, "camera"),
    view: text(header, "view"),
    epoch: count(header, "epoch"),
    sequence: count(header, "sequence"),
    maskVersion: count(header, "mask_version"),
    codec,
    width: side(header, "width"),
    height: side(header, "height"),
    serverTimeMs: finite(header, "server_time_ms"),
    catchingUp: flag(header, "catching_up"),
    units: cut(units, body),
  };
}

function split(message: ArrayBuffer): [Record<string, unknown>, Uint8Array] {
  if (message.byteLength < LENGTH_BYTES) throw new CorruptBatchError("shorter than its length field");
  const size = new DataView(message).getUint32(0, false);
  if (size > MAX_HEADER_BYTES || LENGTH_BYTES + size > message.byteLength) {
    throw new CorruptBatchError(`header of ${size} bytes in a message of ${message.byteLength}`);
  }
  let header: unknown;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    header = JSON.parse(decoder.decode(new Uint8Array(message, LENGTH_BYTES, size)));
  } catch {
    throw new CorruptBatchError("the header is not JSON");
  }
  return [record(header, "header"), new Uint8Array(message, LENGTH_BYTES + size)];
}

function unitHeader(value: unknown): UnitHeader {
  const unit = record(value, "unit");
  const size = count(unit, "size");
  if (size === 0) throw new CorruptBatchError("an access unit is empty");
  return { size, key: flag(unit, "key"), captureMs: finite(unit, "capture_time_ms"), ptsUs: finite(unit, "pts_us") };
}

function cut(headers: readonly UnitHeader[], body: Uint8Array): LiveUnit[] {
  let start = 0;
  return headers.map(({ size, ...rest }) => {
    const data = body.subarray(start, start + size);
    start += size;
    return { ...rest, data };
  });
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CorruptBatchError(`${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

function list(header: Record<string, unknown>, name: string): unknown[] {
  const value = header[name];
  if (!Array.isArray(value) || value.length === 0) throw new CorruptBatchError(`${name} is empty or not a list`);
  return value;
}

function text(header: Record<string, unknown>, name: string): string {
  const value = header[name];
  if (typeof value !== "string" || value === "") throw new CorruptBatchError(`${name} is not text`);
  return value;
}

function finite(header: Record<string, unknown>, name: string): number {
  const value = header[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw new CorruptBatchError(`${name} is not a number`);
  return value;
}

function flag(header: Record<string, unknown>, name: string): boolean {
  const value = header[name];
  if (typeof value !== "boolean") throw new CorruptBatchError(`${name} is not true or false`);
  return value;
}

/** A whole number from 0 up. An epoch in ns passes 2^53 and loses its last digits here, which keeps its order. */
function count(header: Record<string, unknown>, name: string): number {
  const value = finite(header, name);
  if (value < 0 || !Number.isInteger(value)) throw new CorruptBatchError(`${name} is not a count`);
  return value;
}

function side(header: Record<string, unknown>, name: string): number {
  const value = count(header, name);
  if (value === 0 || value > MAX_SIDE) throw new CorruptBatchError(`${name} is not between 1 and ${MAX_SIDE}`);
  return value;
}
