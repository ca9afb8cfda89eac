import { createContext, useContext, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from "react";

import { actionFor, type Shortcut } from "./shortcut-match";

/** One view's shortcuts, under the title the help overlay gives them. */
export interface ShortcutScope {
  readonly title: string;
  readonly shortcuts: readonly Shortcut[];
}

interface Registry {
  readonly scopes: readonly ShortcutScope[];
  readonly enabled: boolean;
  readonly setEnabled: (enabled: boolean) => void;
  readonly add: (scope: ShortcutScope) => () => void;
}

const RegistryContext = createContext<Registry | null>(null);
const STORAGE_KEY = "beffroi.shortcuts";

/** Listens to the keyboard for the whole page; what was registered last is asked first. */
export function ShortcutsProvider({ children }: { children: ReactNode }) {
  const [scopes, setScopes] = useState<readonly ShortcutScope[]>([]);
  const [enabled, setEnabled] = useState(() => window.localStorage.getItem(STORAGE_KEY) !== "off");

  useLayoutEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const action = actionFor(event, scopes, enabled);
      if (action === null) return;
      event.preventDefault();
      action(event);
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [scopes, enabled]);

  const registry = useMemo<Registry>(
    () => ({
      scopes,
      enabled,
      setEnabled: (value) => {
        window.localStorage.setItem(STORAGE_KEY, value ? "on" : "off");
        setEnabled(value);
      },
      add: (scope) => {
        setScopes((before) => [...before, scope]);
        return () => setScopes((before) => before.filter((each) => each !== scope));
      },
    }),
    [scopes, enabled],
  );
  return <RegistryContext value={registry}>{children}</RegistryContext>;
}

export function useShortcutRegistry(): Registry {
  const registry = useContext(RegistryContext);
  if (registry === null) throw new Error("useShortcuts needs a ShortcutsProvider above it");
  return registry;
}

/**
 * Register shortcuts while the calling component is on the screen.
 *
 * In layout effects: a key pressed as soon as something is seen must act on it, and not on what was there before.
 */
export function useShortcuts(title: string, shortcuts: readonly Shortcut[]): void {
  const registry = useShortcutRegistry();
  const latest = useRef(shortcuts);
  useLayoutEffect(() => {
    latest.current = shortcuts;
  });
  const { add } = useMemo(() => ({ add: registry.add }), []); // eslint-disable-line react-hooks/exhaustive-deps
  const signature = JSON.stringify(shortcuts.map(({ keys, label, run }) => [keys, label, run !== undefined]));
  useLayoutEffect(() => {
    const described = JSON.parse(signature) as [string[], string, boolean][];
    return add({
      title,
      shortcuts: described.map(([keys, label, acts], index) => ({
        keys,
        label,
        ...(acts ? { run: (event: KeyboardEvent) => latest.current[index]?.run?.(event) } : {}),
      })),
    });
  }, [title, signature, add]);
}
