/** Texts that are being written, in the storage of the browser, which all tabs share. */

export function storageRead(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null");
  } catch {
    return null; // Damaged, or storage is switched off.
  }
}

/** null removes it. */
export function storageSet(name: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Full, or switched off: it lives as long as the page.
  }
}

const draftName = (of: string): string => `drover.draft.${of}`;

/** `of`: an id of a session, or what else the draft is of. */
export function draftOf(of: string): string {
  const draft = storageRead(draftName(of));
  return typeof draft === "string" ? draft : "";
}

/** The draft of the tab that wrote last. Without a text that of this tab is removed, and none of
 *  another one. */
export function draftKeep(of: string, text: string, before: string): void {
  if (text !== "") storageSet(draftName(of), text);
  else if (draftOf(of) === before) storageSet(draftName(of), null);
}
