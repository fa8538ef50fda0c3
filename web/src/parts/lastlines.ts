/** The last lines of a command's output, as a failure shows them. Pure. */
export const LINES_MAX = 10;
/** What is read from the end. */
export const TAIL_BYTES = 4_096;

/** Colours, titles and links of terminals, and what else is no text. */
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** `cut`: more stands before the text, so that its first line is not whole. */
export function lastLinesOf(text: string, cut: boolean): string {
  const lines = text.replace(ESCAPES, "").replace(/\r+\n/g, "\n").split("\n")
    .map((line) => line.slice(line.lastIndexOf("\r") + 1));
  if (cut && lines.length > 1) lines.shift();
  while (lines.length > 0 && lines[lines.length - 1]?.trim() === "") lines.pop();
  return lines.slice(-LINES_MAX).join("\n");
}
