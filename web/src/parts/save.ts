/** Gives a file to the user, as the browser does with what it downloads. */
const KEPT_MS = 60_000; // A browser may ask before it saves.

export function saveFile(name: string, file: Blob): void {
  const url = URL.createObjectURL(file), link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
