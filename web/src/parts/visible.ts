/** Text from outside, with what is invisible in it made visible: characters that turn the direction
 *  of the text around them, and control characters, such as those that begin the escapes of a
 *  terminal. Whatever shows outside text passes it through this. Line feeds and tabs stay. */
const HIDDEN =
  /\r\n|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const NAMES: Record<number, string> = {
  0x061c: "ALM", 0x200e: "LRM", 0x200f: "RLM", 0x2028: "LS", 0x2029: "PS", 0x202a: "LRE",
  0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x2066: "LRI", 0x2067: "RLI",
  0x2068: "FSI", 0x2069: "PDI",
};

function markOf(found: string): string {
  if (found === "\r\n") return "\n";
  const code = found.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code); // ␛ and its like.
  if (code === 0x7f) return "\u2421";
  return `⟦${NAMES[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`}⟧`;
}

export const visible = (text: string): string => text.replace(HIDDEN, markOf);

/** The beginning of a text, of at most `max` units; no character is cut in two. */
export function beginning(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max);
}
