import { vi } from "vitest";

/** What the live view needs of a browser, as far as a test without one can tell. */
export class FakeSocket extends EventTarget {
  static readonly opened: FakeSocket[] = [];
  binaryType = "";
  isClosed = false;

  constructor(readonly address: URL) {
    super();
    FakeSocket.opened.push(this);
  }

  /** Like a browser's on a line that is dead: it asks for the end, and gets no answer for a minute. */
  close(): void {
    this.isClosed = true;
  }

  opens(): void {
    this.dispatchEvent(new Event("open"));
  }

  receives(data: string | ArrayBuffer): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  ends(code = 1006): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}

/** A canvas that remembers what is on it. */
export class FakeCanvas {
  width = 0;
  height = 0;
  picture: unknown = null;

  getContext() {
    return {
      drawImage: (picture: unknown) => (this.picture = picture),
      clearRect: () => (this.picture = null),
    };
  }
}

/** Decodes at once whatever it is given. */
class FakeDecoder {
  state = "unconfigured";
  decodeQueueSize = 0;

  constructor(private readonly to: { output(picture: object): void }) {}

  configure(): void {
    this.state = "configured";
  }

  decode({ timestamp }: { timestamp: number }): void {
    this.to.output({ timestamp, displayWidth: 64, displayHeight: 36, close: () => undefined });
  }

  close(): void {
    this.state = "closed";
  }
}

/** Time stands still until a test moves it, and a repaint comes every 16 ms. */
export function pretendBrowser(): void {
  FakeSocket.opened.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal("window", globalThis);
  vi.stubGlobal("location", { href: "http://localhost/" });
  vi.stubGlobal("requestAnimationFrame", (repaint: () => void) => setTimeout(repaint, 16));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("VideoDecoder", FakeDecoder);
  vi.stubGlobal("EncodedVideoChunk", function (unit: object) {
    return unit;
  });
}

export function leaveBrowser(): void {
  vi.unstubAllGlobals();
  vi.useRealTimers();
}
