/** A button that copies a text. Plain http to another host has no clipboard API: there a field that
 *  nobody sees is selected and copied. */
import { useEffect, useState } from "preact/hooks";

import { words } from "../words.ts";

const SAID_MS = 2000;

function copyBySelection(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "hidden";
  field.value = text;
  // Outside of an open dialog nothing can be selected.
  (before?.closest("dialog") ?? document.body).append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  }
}

/** False: the browser did not let it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard !== undefined) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // Not allowed: the older way may be.
  }
  return copyBySelection(text);
}

export function Copy({ text, label = words.copy }: { text: string; label?: string }) {
  const [said, saidSet] = useState<string | null>(null);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => saidSet(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => saidSet(await copyText(text) ? words.copied : words.notCopied);
  return (
    <button type="button" class="quiet copy" onClick={() => void copy()}>
      <span aria-live="polite">{said ?? label}</span>
    </button>
  );
}
