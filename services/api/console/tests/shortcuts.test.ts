import { describe, expect, it, vi } from "vitest";

import { actionFor, keyName } from "../src/shell/shortcut-match";

const press = (changes: Record<string, unknown>) => ({
  key: "a",
  code: "KeyQ",
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  defaultPrevented: false,
  target: null,
  ...changes,
});

// There is no page here: nothing that was pressed in is an element.
vi.stubGlobal("Element", EventTarget);

describe("a key", () => {
  it('is a digit by its place, since a French keyboard gives & é " there', () => {
    expect(keyName({ key: "&", code: "Digit1" })).toBe("1");
    expect(keyName({ key: "9", code: "Numpad9" })).toBe("9");
  });

  it("is the same with Shift or caps lock", () => {
    expect(keyName({ key: "A", code: "KeyQ" })).toBe("a");
    expect(keyName({ key: "?", code: "KeyM" })).toBe("?");
  });
});

describe("a shortcut", () => {
  const everywhere = vi.fn();
  const here = vi.fn();
  const scopes = [
    { shortcuts: [{ keys: ["a", "Escape", "?"], label: "", run: everywhere }] },
    {
      shortcuts: [
        { keys: ["a"], label: "", run: here },
        { keys: ["Delete"], label: "said, done elsewhere" },
      ],
    },
  ];

  it("of the view that came last goes first", () => {
    expect(actionFor(press({}), scopes, true)).toBe(here);
    expect(actionFor(press({ key: "Escape" }), scopes, true)).toBe(everywhere);
  });

  it.each([{ ctrlKey: true }, { altKey: true }, { metaKey: true }, { defaultPrevented: true }, { key: "z" }])(
    "is not meant by %j",
    (changes) => {
      expect(actionFor(press(changes), scopes, true)).toBeNull();
    },
  );

  it("of one character can be turned off; the key for help stays", () => {
    expect(actionFor(press({}), scopes, false)).toBeNull();
    expect(actionFor(press({ key: "?" }), scopes, false)).toBe(everywhere);
    expect(actionFor(press({ key: "Escape" }), scopes, false)).toBe(everywhere);
  });

  it("that is only there to be read does nothing", () => {
    expect(actionFor(press({ key: "Delete" }), scopes, true)).toBeNull();
  });
});
