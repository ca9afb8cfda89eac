/** One action and its keys, named as `KeyboardEvent.key` names them; `1`…`9` stand for the digit keys of any layout. */
export interface Shortcut {
  readonly keys: readonly string[];
  /** What it does, in the chosen language. */
  readonly label: string;
  /** Absent: the element that has the focus does it, and the entry is there to be read. */
  readonly run?: (event: KeyboardEvent) => void;
}

interface Press {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly defaultPrevented: boolean;
  readonly target: EventTarget | null;
}

type Action = (event: KeyboardEvent) => void;

/** What a key press means, or null. A field that is being written in, and an open dialogue, keep their keys. */
export function actionFor(
  press: Press,
  scopes: readonly { readonly shortcuts: readonly Shortcut[] }[],
  characterKeys: boolean,
): Action | null {
  if (press.defaultPrevented || press.ctrlKey || press.altKey || press.metaKey) return null;
  if (keepsItsKeys(press.target)) return null;
  const key = keyName(press);
  // WCAG 2.1.4: shortcuts of one character can be turned off, e.g. for who speaks to the machine.
  if (!characterKeys && key.length === 1 && key !== "?") return null;
  for (const { shortcuts } of [...scopes].reverse()) {
    const match = shortcuts.find((shortcut) => shortcut.run !== undefined && shortcut.keys.includes(key));
    if (match?.run !== undefined) return match.run;
  }
  return null;
}

/** On a French keyboard the upper row gives & é " without Shift: digits are recognised by the key's place. */
export function keyName({ key, code }: { readonly key: string; readonly code: string }): string {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code);
  if (digit?.[1] !== undefined && key !== "?") return digit[1];
  return key.length === 1 ? key.toLowerCase() : key;
}

function keepsItsKeys(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return target.closest("input, textarea, select, [contenteditable], [role='dialog'], [role='listbox']") !== null;
}
