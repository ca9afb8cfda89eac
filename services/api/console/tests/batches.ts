/** Messages as the api sends them, for tests. */
export interface Parts {
  header?: Record<string, unknown>;
  units?: { size?: unknown; key?: unknown; capture_time_ms?: unknown; pts_us?: unknown }[];
  body?: Uint8Array;
}

export function message({ header = {}, units, body }: Parts = {}): ArrayBuffer {
  const described = units ?? [
    { size: 3, key: true, capture_time_ms: 1_000, pts_us: 0 },
    { size: 2, key: false, capture_time_ms: 1_100, pts_us: 100_000 },
  ];
  const payload = body ?? new Uint8Array([1, 2, 3, 4, 5]);
  const full = {
    camera: "place",
    view: "masked",
    epoch: 1_790_000_000_000_000_000,
    sequence: 7,
    mask_version: 2,
    codec: "avc1.42c01e",
    width: 768,
    height: 576,
    server_time_ms: 2_000,
    catching_up: false,
    units: described,
    ...header,
  };
  return frame(new TextEncoder().encode(JSON.stringify(full)), payload);
}

export function frame(header: Uint8Array, body: Uint8Array, length = header.length): ArrayBuffer {
  const bytes = new Uint8Array(4 + header.length + body.length);
  new DataView(bytes.buffer).setUint32(0, length, false);
  bytes.set(header, 4);
  bytes.set(body, 4 + header.length);
  return bytes.buffer;
}
