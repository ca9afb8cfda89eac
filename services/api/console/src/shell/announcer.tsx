import { useSyncExternalStore } from "react";

/** What was said last, for who cannot see the screen. One polite region for the whole page. */
let words = "";
const listeners = new Set<() => void>();

export function announce(text: string): void {
  // The same words twice are still news: an added space makes the region differ.
  words = text === words ? `${text} ` : text;
  for (const listener of listeners) listener();
}

export function Announcer() {
  const said = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => words,
  );
  return (
    <div role="status" aria-live="polite" className="visually-hidden">
      {said}
    </div>
  );
}
