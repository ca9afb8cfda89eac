import { useEffect } from "react";

/** The page's title in the browser's tab: what a screen reader says first. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – Beffroi`;
  }, [title]);
}
